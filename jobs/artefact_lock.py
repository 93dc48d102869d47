"""One writer an artefact: a file that the writing process holds locked, and that says who holds it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError


@contextmanager
def artefact_lock(store: Store, folder: str) -> Iterator[None]:
    """Hold `folder` for the block; one clear error where somebody else holds it.

    The lock is the system's (flock), so it ends with the process however that ends; a file that a killed process left
    behind locks nothing. Stores that are no folder are not locked.
    """
    if not store.is_local:
        yield
        return
    path = store.local_path(f"{folder}/.lock")
    with _hold(path, folder) as stream:
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _hold(path: Path, folder: str) -> TextIO:
    """The lock file, open and locked."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read() or "another process"
            stream.close()
            raise MotionpipeError(f"{folder} is being written by {holder}; wait for it") from None
        if _is_that(path, stream):
            return stream
        stream.close()  # its holder removed it in between


def _is_that(path: Path, stream: TextIO) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
