"""`motionpipe trace`: from a sample or an embedding row back to source file, frames, times, and bytes in the store."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from ..pipeline.artefacts import SHARDS, read_report, report_name, tar_name
from ..pipeline.parquet_files import read_parquet
from ..pipeline.plan import PLAN_FILE, read_plan
from ..pipeline.read_sample import read_meta
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.recording import PlannedRecording
from ..schemas.report import SampleEntry

_ROW_ID = re.compile(r"(.+):(\d+)-(\d+)")
_SEGMENT = re.compile(r"-s\d+$")


@dataclass(frozen=True)
class _Place:
    """A sample, its plan row, and frames [start, stop) of it that are asked for."""

    planned: PlannedRecording
    entry: SampleEntry
    start: int
    stop: int


def trace(store: Store, name: str) -> None:
    """Print where a KEY or a row_id (KEY:start-end) comes from."""
    for line in trace_lines(store, name):
        click.echo(line)


def trace_lines(store: Store, name: str) -> Iterator[str]:
    """The answer as text; MotionpipeError with near matches where nothing has this name."""
    match = _ROW_ID.fullmatch(name)
    key = match[1] if match else name
    planned = find_planned(store, key)
    report_file = f"{SHARDS}/{report_name(planned.shard)}"
    if not store.exists(report_file):
        raise MotionpipeError(f"{key} is planned for shard {planned.shard}, which is not done; run: motionpipe shard …")
    report = read_report(store, SHARDS, planned.shard)
    for reject in report.rejects:
        if reject.key == planned.key:
            yield f"{key}: rejected, {reject.reason}: {reject.detail}"
            yield f"  more: motionpipe rejects show {reject.key}"
            return
    segments = [e for e in report.samples if e.recording_id == planned.recording_id]
    whole = key in (planned.key, planned.recording_id, planned.path)
    entries = [e for e in segments if e.key == key] or (segments if whole else [])
    if not entries:
        raise MotionpipeError(
            f"{key} is not a segment of {planned.key}, which has {', '.join(e.key for e in segments)}"
        )
    for entry in entries:
        start, stop = (int(match[2]), int(match[3])) if match else (0, entry.num_frames)
        if not 0 <= start < stop <= entry.num_frames:
            raise MotionpipeError(f"{name}: sample {entry.key} has frames 0-{entry.num_frames}")
        yield from _sample_lines(store, _Place(planned, entry, start, stop))
        yield from _flow_lines(store, _Place(planned, entry, start, stop))
        yield from _embedding_lines(store, planned.shard, entry, name if match else None)
    yield from _evaluation_lines(store, planned)


def find_planned(store: Store, key: str) -> PlannedRecording:
    """The plan's row of a sample key, a segment's key, a recording id or a path; MotionpipeError with near matches."""
    if not store.exists(PLAN_FILE):
        raise MotionpipeError(f"{store.uri} holds no store; make one with: motionpipe shard --dataset … --source …")
    plan = read_plan(store)
    whole = _SEGMENT.sub("", key)
    names = {name: row for row in plan for name in (row.path, row.recording_id, row.key)}
    found = names.get(key) or names.get(whole)
    if found:
        return found
    near = difflib.get_close_matches(key, [row.key for row in plan], n=3, cutoff=0.5)
    hint = f"; near it: {', '.join(near)}" if near else "; motionpipe status shows what the store holds"
    raise MotionpipeError(f"no sample {key} in {store.uri}{hint}")


def _sample_lines(store: Store, place: _Place) -> Iterator[str]:
    entry, recording, shard = place.entry, place.planned.recording, place.planned.shard
    meta = read_meta(store, SHARDS, shard, entry)
    times = meta["timestamps_us"]
    info = json.loads(store.read_bytes(f"{SHARDS}/identity.json"))["info"]
    yield f"{entry.key}: frames {place.start}-{place.stop} of {entry.num_frames}"
    yield f"  source      {recording.path} in {info.get('source', '?')}"
    for stream, path in sorted(recording.files.items()):
        yield f"              {stream}: {path}"
    yield f"              sha256 {entry.source_hash}"
    yield (
        f"  frames      {_source_frames(meta, place)}, "
        f"{times[place.start] / 1e6:.3f}-{times[place.stop - 1] / 1e6:.3f} s from its first "
        f"({entry.fps:g} frames/s, {meta['timestamps']})"
    )
    label = "none" if recording.label is None else f"{recording.label} {recording.label_name}"
    splits = ", ".join(f"{protocol}:{part}" for protocol, part in sorted(recording.splits.items())) or "none"
    yield f"  label       {label}; splits {splits}"
    yield f"  shard       {_bytes_of(store, SHARDS, shard, entry)}"


def _source_frames(meta: dict[str, Any], place: _Place) -> str:
    """Ranges of frame numbers in the source, the end of each left out; what is missing there lies between them."""
    first = meta["frames"][0]
    slots = meta.get("source_slots", range(first, first + place.entry.num_frames))[place.start : place.stop]
    breaks = [0, *(i for i in range(1, len(slots)) if slots[i] != slots[i - 1] + 1), len(slots)]
    ranges = ", ".join(f"{slots[a]}-{slots[b - 1] + 1}" for a, b in itertools.pairwise(breaks))
    if "rgb_slots" not in meta:
        return f"{ranges} of the source"
    picks = meta["rgb_slots"][place.start : place.stop]
    return f"{ranges} of the depth, {picks[0]}-{picks[-1] + 1} of the RGB"


def _flow_lines(store: Store, place: _Place) -> Iterator[str]:
    shard = place.planned.shard
    for folder in (f"{kind}/{name}" for kind in ("flow", "targets") for name in store.list(kind)):
        entry = _entry_in(store, folder, shard, place.entry.key)
        if entry is None:
            continue
        stride = entry.stride or 1
        first, last = place.start, min(place.stop, entry.num_frames) - stride
        what = f"pairs {first}-{last} (frames i, i + {stride})" if last > first else "no pair inside these frames"
        yield f"  {folder}: {what}, {_bytes_of(store, folder, shard, entry)}"


def _embedding_lines(store: Store, shard: int, entry: SampleEntry, row_id: str | None) -> Iterator[str]:
    found = False
    for name in store.list("embeddings"):
        file = f"embeddings/{name}/{shard:06d}.parquet"
        if not store.exists(file):
            continue
        table = read_parquet(store, file, ["row_id", "key"])
        rows = [(i, row["row_id"]) for i, row in enumerate(table.to_pylist()) if row["key"] == entry.key]
        kept = [(i, text) for i, text in rows if row_id in (None, text)]
        found = found or bool(kept)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        for number, text in kept:
            yield f"  {file}: row {number} {text}, run {metadata['run']}, checkpoint sha256 {metadata['checkpoint']}"
    if row_id and not found:
        raise MotionpipeError(
            f"no embeddings hold a row {row_id}; `motionpipe trace {entry.key}` lists those of its key"
        )


def _evaluation_lines(store: Store, planned: PlannedRecording) -> Iterator[str]:
    """What fine-tuned classifiers predict for the recording, where it was tested."""
    for folder in (
        f"evaluations/{run}/{p}" for run in store.list("evaluations") for p in store.list(f"evaluations/{run}")
    ):
        if not store.exists(f"{folder}/manifest.json"):
            continue
        table = read_parquet(store, f"{folder}/predictions.parquet", ["recording_id", "label", "predicted"])
        for row in table.to_pylist():
            if row["recording_id"] == planned.recording_id:
                yield f"  {folder}: class {row['label']}, predicted {row['predicted']}"


def _entry_in(store: Store, folder: str, shard: int, key: str) -> SampleEntry | None:
    if not store.exists(f"{folder}/{report_name(shard)}"):
        return None
    return next((entry for entry in read_report(store, folder, shard).samples if entry.key == key), None)


def _bytes_of(store: Store, folder: str, shard: int, entry: SampleEntry) -> str:
    places: list[Any] = sorted(entry.members.values())
    offset = places[0][0]
    return f"{store.uri}/{folder}/{tar_name(shard)} from byte {offset}, {len(places)} members"
