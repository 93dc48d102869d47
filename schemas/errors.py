"""The two errors that are expected; any other exception is a bug and stops the job with its own type."""


class BadSampleError(ValueError):
    """One recording cannot be used; the stage goes on and writes a reject with this reason.

    `reason` is a short stable word that counts are grouped by (`unreadable-video`); `detail` says what to do.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that the error can be pickled
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class MotionpipeError(RuntimeError):
    """The command cannot go on; its text is the one line that the user reads (exit code 1)."""
