"""UCF101: 101 classes of clips, three official splits by group of source videos.

Clips `v_CLASS_gGG_cCC.avi` in any folders below the source; `classInd.txt`, `trainlist0N.txt` and `testlist0N.txt` in
`ucfTrainTestlist/` or beside the clips. Soomro, Zamir, Shah 2012.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ..schemas.errors import MotionpipeError
from ..schemas.recording import Index
from .fetch_files import SourcePath
from .listed_clips import ListedClip, index_clips
from .source_files import first_folder_with, read_text, walk_files

PROTOCOLS = ("split1", "split2", "split3")
_LIST_FOLDERS = ("ucfTrainTestlist", ".", "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist")


def index_ucf101(source: SourcePath) -> Index:
    """Every clip below `source`, with its part in the three splits."""
    folder = first_folder_with(source, _LIST_FOLDERS, "classInd.txt")
    classes = read_classes(read_text(source, f"{folder}/classInd.txt"))
    listed: dict[str, ListedClip] = {}
    for number, protocol in enumerate(PROTOCOLS, start=1):
        for part in ("train", "test"):
            file = f"{folder}/{part}list{number:02d}.txt"
            for path in read_list(read_text(source, file), file, classes):
                name = path.name
                listed.setdefault(name, ListedClip(path.parent.name)).add(protocol, part, name)
    return index_clips("UCF101", listed, classes, walk_files(source, (".avi",)), source_group)


def read_classes(text: str) -> tuple[str, ...]:
    """Class names in the order of their numbers, from lines `1 ApplyEyeMakeup`."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if not rows or any(len(row) != 2 or row[0] != str(number) for number, row in enumerate(rows, start=1)):
        raise MotionpipeError("classInd.txt of UCF101 must hold lines of number and class, from 1 on; copy it again")
    return tuple(name for _, name in rows)


def read_list(text: str, file: str, classes: tuple[str, ...]) -> list[PurePosixPath]:
    """Paths CLASS/CLIP.avi of a list; a number behind a path, as in the training lists, must be its class's."""
    paths = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        path = PurePosixPath(words[0])
        label = path.parent.name
        if len(path.parts) != 2 or label not in classes or words[1:] not in ([], [str(classes.index(label) + 1)]):
            raise MotionpipeError(
                f"{file}, line {number}: expected CLASS/CLIP.avi and the class's number, got {line!r}"
            )
        paths.append(path)
    return paths


def source_group(stem: str, label_name: str | None) -> str:
    """Clips of one class and g number are cut from one source video."""
    return re.sub(r"_c\d+$", "", stem)
