"""One writer an artefact: a lock file with the host and process that hold it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError


@contextmanager
def artefact_lock(store: Store, folder: str) -> Iterator[None]:
    """Hold `folder` for the block; one clear error where another living process holds it.

    A lock that a killed process left on this machine is taken over. Stores that are no folder are not locked.
    """
    if not store.is_local:
        yield
        return
    path = store.local_path(f"{folder}/.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = f"{socket.gethostname()} {os.getpid()}"
    while True:
        try:
            with path.open("x") as stream:
                stream.write(mine)
            break
        except FileExistsError:
            _require_dead(folder, path.read_text() if path.exists() else "")
            path.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


def _require_dead(folder: str, holder: str) -> None:
    host, _, process = holder.partition(" ")
    if host == socket.gethostname() and process.isdigit() and not _is_alive(int(process)):
        return
    if holder:
        raise MotionpipeError(
            f"{folder} is being written by process {process} on {host}; wait for it, or, if it is gone, remove "
            f"{folder}/.lock"
        )


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
