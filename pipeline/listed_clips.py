"""Clips of a dataset whose official lists name them: what is there, what is listed, and in which part of each split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..schemas.errors import MotionpipeError
from ..schemas.recording import Index, Recording
from .source_files import by_file_name


@dataclass
class ListedClip:
    """A clip as the lists have it: its class, and its part in each protocol in which it takes part."""

    label_name: str
    splits: dict[str, str] = field(default_factory=dict)

    def add(self, protocol: str, part: str, name: str) -> None:
        """Note the clip's part; one clear error where a list says two things."""
        if self.splits.setdefault(protocol, part) != part:
            raise MotionpipeError(f"the official lists of {protocol} hold {name} in both parts; copy them again")


def index_clips(
    dataset: str,
    listed: Mapping[str, ListedClip],
    classes: Iterable[str],
    paths: Iterable[str],
    group: Callable[[str, str | None], str],
) -> Index:
    """Recordings of the video files `paths`, recognised by their names, in whatever folders they lie.

    A file that no list names takes no part in any split; its class is its folder's where that is one of `classes`.
    `group(stem, class)` says which recordings belong together. One clear error where nothing that is listed is found.
    """
    labels = {name: number for number, name in enumerate(classes)}
    recordings, num_listed = [], 0
    for name, path in by_file_name(paths).items():
        clip = listed.get(name)
        folder = PurePosixPath(path).parent.name
        label_name = clip.label_name if clip else folder if folder in labels else None
        num_listed += clip is not None
        # the same id whatever the folders above are called
        recording_id = f"{label_name}/{name}" if label_name is not None else path
        recordings.append(
            Recording(
                recording_id,
                recording_id,
                {"rgb": path},
                None if label_name is None else labels[label_name],
                label_name,
                dict(clip.splits) if clip else {},
                group=group(PurePosixPath(name).stem, label_name),
            )
        )
    if not num_listed:
        raise MotionpipeError(f"none of the {len(listed)} clips that the lists of {dataset} name is below the source")
    notes = [f"{num_listed} of {len(listed)} listed clips of {dataset} found"]
    if len(recordings) > num_listed:
        notes.append(f"{len(recordings) - num_listed} other clips are in no list and take no part in any split")
    return Index(sorted(recordings, key=lambda recording: recording.recording_id), tuple(notes))
