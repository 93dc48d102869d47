"""The user's own videos: class folders, train/ and test/ folders of class folders, or a CSV of path,label,split."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import DataSection
from ..schemas.recording import Recording

PROTOCOLS = ("split",)
VIDEO_SUFFIXES = frozenset(
    (".avi", ".mp4", ".mov", ".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".m4v", ".wmv", ".ts", ".3gp", ".ogv", ".gif")
)
_NO_PART = frozenset(("", "unused", "none", "0"))


def index_folder(source: Path, data: DataSection) -> list[Recording]:
    """Every video below the folder `source`, or listed in the CSV file `source`, sorted by path.

    A listed file that is missing is indexed too, so that it ends as a reject and not in silence.
    """
    rows = _read_csv(source) if source.is_file() else _walk(source)
    if not rows:
        raise MotionpipeError(f"{source} holds no videos ({', '.join(sorted(VIDEO_SUFFIXES))})")
    classes = sorted({label for _, label, _ in rows if label is not None})
    has_split = any(split is not None for _, _, split in rows)
    recordings = []
    for path, label, split in sorted(rows):
        part = split if has_split else _seeded_part(path, data)
        recordings.append(
            Recording(
                recording_id=path,
                path=path,
                files={"rgb": path},
                label=None if label is None else classes.index(label),
                label_name=label,
                splits={"split": part} if part in ("train", "test") else {},
            )
        )
    return recordings


_Row = tuple[str, str | None, str | None]


def _walk(source: Path) -> list[_Row]:
    """(path, label, split) of each video file; the label is its folder, the split the train/ or test/ above it."""
    paths = [
        Path(folder, name).relative_to(source)
        for folder, _, names in os.walk(source)
        for name in names
        if Path(name).suffix.lower() in VIDEO_SUFFIXES
    ]
    has_parts = {path.parts[0] for path in paths} & {"train", "test"} and all(
        path.parts[0] in ("train", "test") for path in paths
    )
    rows: list[_Row] = []
    for path in paths:
        folders = path.parts[1:-1] if has_parts else path.parts[:-1]
        rows.append((path.as_posix(), folders[-1] if folders else None, path.parts[0] if has_parts else None))
    return rows


def _read_csv(file: Path) -> list[_Row]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        columns = set(reader.fieldnames or ())
        if not {"path", "label"} <= columns or not columns <= {"path", "label", "split"}:
            raise MotionpipeError(
                f"{file}: the first line must be path,label or path,label,split; got {sorted(columns)}"
            )
        rows = [_csv_row(file, number, row) for number, row in enumerate(reader, start=2)]
    listed: set[str] = set()
    for path, _, _ in rows:
        if path in listed:
            raise MotionpipeError(f"{file}: {path} is listed twice")
        listed.add(path)
    return rows


def _csv_row(file: Path, number: int, row: dict[str, str | None]) -> _Row:
    path, label, split = ((row.get(name) or "").strip() for name in ("path", "label", "split"))
    if not path:
        raise MotionpipeError(f"{file}, line {number}: no path")
    if split not in ("train", "test") and split not in _NO_PART:
        raise MotionpipeError(f"{file}, line {number}: split must be train, test or unused, got {split!r}")
    return path, label or None, (split if "split" in row else None)


def _seeded_part(path: str, data: DataSection) -> str:
    """Part of a recording in a random split that depends on its path and the seed alone."""
    digest = hashlib.sha256(f"{data.split_seed}:{path}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") < data.test_fraction * 2**64 else "train"
