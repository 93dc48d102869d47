"""Groups of recordings that belong together: cross-validation keeps each on one side."""

from __future__ import annotations

from ..schemas.recording import Recording


def group_of(recording: Recording) -> str:
    """The recording's group (source film, group of clips), else its subject, else the recording itself."""
    if recording.group is not None:
        return recording.group
    if recording.subject is not None:
        return f"subject-{recording.subject}"
    return recording.recording_id
