"""The user's own videos: class folders, train/ and test/ folders of class folders, or a CSV of path,label,split."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path, PurePosixPath
from typing import Any

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import DataSection
from ..schemas.recording import Index, Recording
from .source_files import walk_files

PROTOCOLS = ("split",)
VIDEO_SUFFIXES = frozenset(
    (".avi", ".mp4", ".mov", ".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".m4v", ".wmv", ".ts", ".3gp", ".ogv", ".gif")
)
_NO_PART = frozenset(("", "unused", "none", "0", "val", "validation"))
"""Splits in which a recording takes no part: stored, but neither trained nor tested on."""


def index_folder(source: Path, data: DataSection) -> Index:
    """Every video below the folder `source`, or listed in the CSV file `source`, sorted by path.

    A listed file that is missing is indexed too, so that it ends as a reject and not in silence.
    """
    rows = _read_csv(source) if source.is_file() else _walk(source)
    if not rows:
        raise MotionpipeError(f"{source} holds no videos ({', '.join(sorted(VIDEO_SUFFIXES))})")
    classes = {name: i for i, name in enumerate(sorted({label for _, label, _ in rows if label is not None}))}
    has_split = any(split is not None for _, _, split in rows)
    names = _short_names([path for path, _, _ in rows])
    recordings = []
    for path, label, split in sorted(rows):
        part = split if has_split else _seeded_part(names[path], data)
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


def _walk(source: Path) -> list[_Row]:
    """(path, label, split) of each video file; the label is its folder, the split the train/ or test/ above it."""
    paths = [PurePosixPath(path) for path in walk_files(source, VIDEO_SUFFIXES)]
    tops = {path.parts[0] for path in paths}
    has_parts = tops & {"train", "test"} and tops <= {"train", "test", *_NO_PART}
    rows: list[_Row] = []
    for path in paths:
        folders = path.parts[1:-1] if has_parts else path.parts[:-1]
        rows.append((path.as_posix(), folders[-1] if folders else None, path.parts[0] if has_parts else None))
    return rows


def _read_csv(file: Path) -> list[_Row]:
    try:
        reader = csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""))
        columns = set(reader.fieldnames or ())
        if not {"path", "label"} <= columns or not columns <= {"path", "label", "split"}:
            raise MotionpipeError(
                f"{file}: the first line must be path,label or path,label,split; got {sorted(columns)}"
            )
        rows = [_csv_row(file, reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MotionpipeError(f"{file} is not a CSV file in UTF-8 ({error})") from error
    listed: set[str] = set()
    for path, _, _ in rows:
        if path in listed:
            raise MotionpipeError(f"{file}: {path} is listed twice")
        listed.add(path)
    return rows


def _csv_row(file: Path, number: int, row: dict[str | None, Any]) -> _Row:
    path, label, split = ((row.get(name) or "").strip() for name in ("path", "label", "split"))
    if None in row:
        raise MotionpipeError(f"{file}, line {number}: more cells than columns; quote a path that holds a comma")
    if not path:
        raise MotionpipeError(f"{file}, line {number}: no path")
    if split not in ("train", "test") and split not in _NO_PART:
        raise MotionpipeError(f"{file}, line {number}: split must be train, test or unused, got {split!r}")
    return path, label or None, (split if "split" in row else None)


def _short_names(paths: list[str]) -> dict[str, str]:
    """Path to name: absolute paths lose the folder that they share, which differs between machines."""
    if not all(os.path.isabs(path) for path in paths):
        return {path: path for path in paths}
    shared = os.path.commonpath([os.path.dirname(path) for path in paths])
    return {path: Path(path).relative_to(shared).as_posix() for path in paths}


def _seeded_part(path: str, data: DataSection) -> str:
    """Part of a recording in a random split that depends on its path and the seed alone."""
    digest = hashlib.sha256(f"{data.split_seed}:{path}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") < data.test_fraction * 2**64 else "train"
