"""The user's own videos: class folders, train/ and test/ folders of class folders, or a CSV of path,label,split."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import DataSection
from ..schemas.recording import Index, Recording
from .fetch_files import SourcePath
from .groups import film_of
from .source_files import walk_files

PROTOCOLS = ("split",)
VIDEO_SUFFIXES = frozenset(
    (".avi", ".mp4", ".mov", ".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".m4v", ".wmv", ".ts", ".3gp", ".ogv", ".gif")
)
_NO_PART = frozenset(("", "unused", "none", "0", "val", "validation"))
"""Splits in which a recording takes no part: stored, but neither trained nor tested on."""


def index_folder(source: SourcePath, data: DataSection) -> Index:
    """Every video below the folder `source`, or listed in the CSV file `source`, sorted by path.

    A listed file that is missing is indexed too, so that it ends as a reject and not in silence.
    """
    rows = _read_csv(source) if source.is_file() else _walk(source)
    if not rows:
        raise MotionpipeError(f"{source} holds no videos ({', '.join(sorted(VIDEO_SUFFIXES))})")
    classes = {name: i for i, name in enumerate(sorted({label for _, label, _ in rows if label is not None}))}
    has_split = any(split is not None for _, _, split in rows)
    names = _short_names([path for path, _, _ in rows])
    parts = {} if has_split else seeded_parts({names[path]: label for path, label, _ in rows}, data)
    recordings = []
    for path, label, split in sorted(rows):
        part = split if has_split else parts[names[path]]
        recordings.append(
            Recording(
                recording_id=names[path],
                path=names[path],
                files={"rgb": path},
                label=None if label is None else classes[label],
                label_name=label,
                splits={"split": part} if part in ("train", "test") else {},
            )
        )
    return Index(recordings)


_Row = tuple[str, str | None, str | None]


def _walk(source: SourcePath) -> list[_Row]:
    """(path, label, split) of each video; its label is the folder below the source, or below train/ or test/."""
    paths = [PurePosixPath(path) for path in walk_files(source, VIDEO_SUFFIXES)]
    tops = {path.parts[0] for path in paths}
    strangers = sorted(top for top in tops if top.lower() not in {"train", "test", *_NO_PART})
    named = {top.lower() for top in tops} & {"train", "test"}
    has_parts = bool(named) and not strangers  # "train" beside "bus" is a class
    if len(named) == 2 and strangers:
        raise MotionpipeError(
            f"{source} has {', '.join(strangers)} beside train and test; move it out, below one of them, or list the "
            "videos in a CSV path,label,split"
        )
    rows: list[_Row] = []
    for path in paths:
        folders = path.parts[1:-1] if has_parts else path.parts[:-1]
        part = path.parts[0].lower() if has_parts else None
        rows.append((path.as_posix(), folders[0] if folders else None, part))
    return rows


def _read_csv(file: SourcePath) -> list[_Row]:
    try:
        reader = csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""))
        columns = sorted(reader.fieldnames or ())
        if columns not in (["label", "path"], ["label", "path", "split"]):
            raise MotionpipeError(f"{file}: the first line must be path,label or path,label,split; got {columns}")
        rows = [_csv_row(file, reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MotionpipeError(f"{file} is not a CSV file in UTF-8 ({error})") from error
    listed: set[str] = set()
    for path, _, _ in rows:
        if path in listed:
            raise MotionpipeError(f"{file}: {path} is listed twice")
        listed.add(path)
    return rows


def _csv_row(file: SourcePath, number: int, row: dict[str | None, Any]) -> _Row:
    path, label, split = ((row.get(name) or "").strip() for name in ("path", "label", "split"))
    if None in row:
        raise MotionpipeError(f"{file}, line {number}: more cells than columns; quote a path that holds a comma")
    if not path:
        raise MotionpipeError(f"{file}, line {number}: no path")
    if split not in ("train", "test") and split not in _NO_PART:
        raise MotionpipeError(f"{file}, line {number}: split must be train, test or unused, got {split!r}")
    return os.path.normpath(path), label or None, (split if "split" in row else None)


def _short_names(paths: list[str]) -> dict[str, str]:
    """Path to name: absolute paths lose the folder that they share, which differs between machines."""
    if not all(os.path.isabs(path) for path in paths):
        return {path: path for path in paths}
    shared = os.path.commonpath([os.path.dirname(path) for path in paths])
    return {path: Path(path).relative_to(shared).as_posix() for path in paths}


def seeded_parts(labels: dict[str, str | None], data: DataSection) -> dict[str, str]:
    """Name to "train" or "test": a random split by the seed, class by class, that keeps source films together.

    labels: name of each recording to its class. Films (`film_of`) come in the order of their hash; one goes to the test
    part while all of its classes are below their quota there. A class of two films or more is in both parts.
    """
    films: dict[str, list[str]] = defaultdict(list)
    for name in sorted(labels):
        films[film_of(name, labels[name])].append(name)
    films_of = Counter(label for names in films.values() for label in {labels[name] for name in names})
    sizes = Counter(labels.values())
    quota = {
        label: max(1, round(data.test_fraction * size)) if films_of[label] > 1 else 0 for label, size in sizes.items()
    }
    taken, left = Counter[str | None](), Counter(films_of)
    parts: dict[str, str] = {}
    for film in sorted(films, key=lambda name: hashlib.sha256(f"{data.split_seed}:{name}".encode()).digest()):
        classes = {labels[name] for name in films[film]}
        # the last film of a class that is not yet in the training part stays there
        is_test = all(taken[label] < quota[label] and left[label] > 1 for label in classes)
        for label in classes:
            left[label] -= 1
        for name in films[film]:
            parts[name] = "test" if is_test else "train"
            taken[labels[name]] += is_test
    return parts
