"""A run by its name, of this store or of another."""

from __future__ import annotations

from ..pipeline.artefacts import SHARDS
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from .run_files import RunFiles


def find_run(store: Store, text: str, option: str) -> RunFiles:
    """The files of RUN in this store, or of STORE:RUN in another; one clear error where that is no store.

    option: the one that names it, for the error.
    """
    place, colon, run = text.rpartition(":")
    other = Store.at(place) if colon else store
    if colon and not other.exists(SHARDS):
        raise MotionpipeError(f"{option} {text}: {other.uri} holds no store; expected RUN or STORE:RUN")
    return RunFiles(other, run)


def run_text(store: Store, files: RunFiles) -> str:
    """RUN, or STORE:RUN where it is of another store than `store`."""
    return files.name if files.store.uri == store.uri else f"{files.store.uri}:{files.name}"
