"""Groups of recordings that belong together: cross-validation keeps each on one side."""

from __future__ import annotations

from pathlib import PurePosixPath

from ..schemas.recording import Recording
from .hmdb51 import source_film
from .ucf101 import source_group


def group_of(recording: Recording) -> str:
    """The recording's group, else its subject, else the film that its file name tells."""
    if recording.group is not None:
        return recording.group
    if recording.subject is not None:
        return f"subject-{recording.subject}"
    return film_of(recording.path, recording.label_name)


def film_of(path: str, label_name: str | None) -> str:
    """The source film that an HMDB51 or UCF101 file name tells, else the name itself."""
    stem = PurePosixPath(path).stem
    for film in (source_film(stem, label_name), source_group(stem, label_name)):
        if film != stem:
            return film
    # another name says nothing of its film: the same stem in two folders is two recordings
    return str(PurePosixPath(path).with_suffix(""))
