"""Kinetics: clips named by the CSV files of a release, `label,youtube_id,time_start,time_end,split`.

Clips `ID_SSSSSS_EEEEEE` or `ID` with the ending of a video, in any folders below the source; the CSV files lie in the
source or in `annotations/`, or the source is one CSV file. Kay et al. 2017 and later versions.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..schemas.errors import MotionpipeError
from ..schemas.recording import Index, Recording
from .fetch_files import SourcePath
from .folder import VIDEO_SUFFIXES
from .source_files import list_names, read_text, walk_files

PROTOCOLS = ("official",)
_COLUMNS = {"youtube_id", "time_start", "time_end", "split"}
# figures of the field are on the validation part: the labels of the test part were held back at first, and it has none
# in some versions, so it takes no part here
_PARTS = {"train": "train", "val": "test", "validate": "test", "validation": "test", "test": None, "holdout_test": None}


@dataclass(frozen=True)
class _Row:
    """A clip as the CSV files have it; `name` is its file's without the ending."""

    name: str
    youtube_id: str
    label_name: str | None
    part: str | None


def index_kinetics(source: SourcePath) -> Index:
    """Every clip below `source`; labels are numbered in the order of their names."""
    base = source.parent if source.is_file() else source
    rows = [row for file in _csv_files(source) for row in read_rows(read_text(base, file), file)]
    by_name = _rows_by_name(rows)
    labels = {name: i for i, name in enumerate(sorted({row.label_name for row in rows if row.label_name}))}
    recordings: dict[str, Recording] = {}
    for path in walk_files(base, VIDEO_SUFFIXES):
        row = by_name.get(PurePosixPath(path).stem)
        name = row.name if row else path
        if name in recordings:
            there = recordings[name].files["rgb"]
            raise MotionpipeError(f"the clip {name} is there twice: {there} and {path}; remove one of them")
        recordings[name] = _recording(name, path, row, labels)
    found = sum(name in by_name for name in recordings)
    if not found:
        raise MotionpipeError(
            f"none of the {len(rows)} clips that the CSV files name is below {base}: expected "
            "ID_SSSSSS_EEEEEE.mp4 (start and end in seconds) or ID.mp4"
        )
    notes = [f"{found} of {len(rows)} listed clips of Kinetics found"]
    if len(recordings) > found:
        notes.append(f"{len(recordings) - found} other clips are in no list and take no part")
    return Index([recordings[name] for name in sorted(recordings)], tuple(notes))


def _recording(name: str, path: str, row: _Row | None, labels: dict[str, int]) -> Recording:
    if row is None:
        return Recording(name, name, {"rgb": path})
    label = None if row.label_name is None else labels[row.label_name]
    splits = {} if row.part is None else {PROTOCOLS[0]: row.part}
    return Recording(name, name, {"rgb": path}, label, row.label_name, splits, group=row.youtube_id)


def _csv_files(source: SourcePath) -> list[str]:
    """Paths of the CSV files, relative to the source's folder."""
    if source.is_file():
        return [source.name]
    for folder in (".", "annotations"):
        files = [f"{folder}/{name}" for name in list_names(source, folder) if name.lower().endswith(".csv")]
        if files:
            return files
    raise MotionpipeError(
        f"{source} holds no CSV file: expected train.csv, validate.csv, … with the columns "
        "label,youtube_id,time_start,time_end,split, in it or in annotations/"
    )


def read_rows(text: str, file: str) -> list[_Row]:
    """Rows of a CSV file; its column `is_cc` and others are of no interest, `label` may be missing (test parts)."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = set(reader.fieldnames or ())
        if not columns >= _COLUMNS:
            raise MotionpipeError(
                f"{file}: the first line must hold label,youtube_id,time_start,time_end,split; got {sorted(columns)}"
            )
        return [_row(row, f"{file}, line {reader.line_num}") for row in reader]
    except csv.Error as error:
        raise MotionpipeError(f"{file} is not a CSV file ({error})") from error


def _row(row: dict[str, str | None], place: str) -> _Row:
    youtube_id, split = row["youtube_id"] or "", row["split"] or ""
    if not youtube_id or split not in _PARTS:
        raise MotionpipeError(f"{place}: expected a youtube_id and a split of {', '.join(_PARTS)}; got {split!r}")
    try:
        start, end = (int(float(row[name] or "")) for name in ("time_start", "time_end"))
    except (ValueError, OverflowError) as error:
        raise MotionpipeError(f"{place}: time_start and time_end must be seconds") from error
    return _Row(f"{youtube_id}_{start:06d}_{end:06d}", youtube_id, row.get("label") or None, _PARTS[split])


def _rows_by_name(rows: list[_Row]) -> dict[str, _Row]:
    """Rows by the names that a clip may have; an id that several rows share names none of them."""
    uses = Counter(row.youtube_id for row in rows)
    found: dict[str, _Row] = {}
    for row in rows:
        if found.setdefault(row.name, row) != row:
            raise MotionpipeError(f"the CSV files list {row.name} twice, with different labels or splits")
    return found | {row.youtube_id: row for row in found.values() if uses[row.youtube_id] == 1}
