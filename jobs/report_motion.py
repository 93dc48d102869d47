"""Motion in the report: for a few samples of a flow artefact, the pair of frames that moves most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..pipeline import flow_pictures as fp
from ..pipeline.artefacts import SHARDS
from ..pipeline.pair_pictures import FlowPair, as_picture, frame_with_arrows, pair_scales
from ..pipeline.read_flow import read_rows
from ..pipeline.read_sample import has_stream, read_frames, read_meta
from ..pipeline.samples import camera_of
from ..pipeline.store import Store
from ..schemas.flow import FlowCells
from ..schemas.recording import PlannedRecording
from ..schemas.report import SampleEntry
from .inventory import Artefact, shard_numbers
from .report_samples import Image, at_most, choose, entries_of, jpeg, png

_CONTEXT_SIDE = 280


@dataclass(frozen=True)
class ShownFlow:
    """The pair of a sample that moves most. away: None where the flow has no δz. All lengths are a step's."""

    key: str
    label: str
    pair: int
    stride: int
    step_ms: float
    motion: float
    largest: float
    frame: Image
    arrows: Image
    arrow_factor: float
    wheel: Image
    away: Image | None


@dataclass(frozen=True)
class FlowSheet:
    """Some pairs of one flow artefact, all on one colour scale (in `unit` a step)."""

    artefact: Artefact
    unit: str
    stream: str
    scale: float
    scale_away: float
    wheel: Image
    bar: Image | None
    shown: tuple[ShownFlow, ...]


@dataclass(frozen=True)
class _Chosen:
    """A chosen pair before the common scale is known."""

    planned: PlannedRecording
    frames: SampleEntry
    entry: SampleEntry
    number: int
    pair: FlowPair


def flow_sheet(
    store: Store, artefact: Artefact, candidates: Sequence[PlannedRecording], count: int = 8
) -> FlowSheet | None:
    """The most moving pair of a few samples of a flow artefact; None where no sample is finished yet."""
    done = set(shard_numbers(store, artefact.folder))
    rows = choose([row for row in candidates if row.shard in done], count)
    cell = int(artefact.identity.section["cell"])
    frames_of = {entry.key: entry for _, entry in entries_of(store, SHARDS, rows)}
    entries = [(row, entry) for row, entry in entries_of(store, artefact.folder, rows) if entry.motion]
    chosen = [_choose(store, artefact.folder, row, frames_of[entry.key], entry, cell) for row, entry in entries]
    if not chosen:
        return None
    metric = len(chosen[0].pair.flow) == 3
    scale, scale_away = pair_scales([one.pair for one in chosen])
    factor, unit = (1000.0, "mm") if metric else (1.0, "px")
    return FlowSheet(
        artefact=artefact,
        unit=unit,
        stream="depth" if metric else "rgb",
        scale=scale * factor,
        scale_away=scale_away * factor,
        wheel=png(fp.wheel_legend(144)),
        bar=png(fp.diverging_legend(160, 12)) if metric else None,
        shown=tuple(_shown_flow(store, one, scale, scale_away) for one in chosen),
    )


def _choose(
    store: Store, folder: str, row: PlannedRecording, frames: SampleEntry, entry: SampleEntry, cell: int
) -> _Chosen:
    assert entry.stride is not None
    number = int(np.argmax(entry.motion))
    read = partial(read_rows, store, folder, row.shard, entry, rows=slice(number, number + 1))
    cells = FlowCells(
        entry.key, np.asarray(read("flow.npy"), np.float16), np.asarray(read("valid.npy"), np.uint8), entry.stride, cell
    )
    stream = "depth" if cells.flow.shape[1] == 3 else "rgb"
    frame = read_frames(store, SHARDS, row.shard, frames, stream, [number])[0]
    camera = camera_of(read_meta(store, SHARDS, row.shard, frames)) if stream == "depth" else None
    pair = FlowPair(frame, cells.flow[0].astype(np.float32), cells.cell_is_valid()[0], cell, camera)
    return _Chosen(row, frames, entry, number, pair)


def _shown_flow(store: Store, chosen: _Chosen, scale: float, scale_away: float) -> ShownFlow:
    pair, entry = chosen.pair, chosen.entry
    flow, known = pair.flow[(slice(None), *pair.box)], pair.known[pair.box]
    arrows, factor = frame_with_arrows(pair)
    metric = len(flow) == 3
    unit = 1000.0 if metric else 1.0
    assert entry.stride is not None
    return ShownFlow(
        key=entry.key,
        label=chosen.planned.recording.label_name or "",
        pair=chosen.number,
        stride=entry.stride,
        step_ms=1000 * entry.stride / entry.fps,
        motion=entry.motion[chosen.number] * unit,
        largest=float(pair.lengths().max(initial=0.0)) * unit,
        frame=_context(store, chosen),
        arrows=jpeg(arrows),
        arrow_factor=factor,
        wheel=png(fp.wheel_colours(flow[:2], scale, known)),
        away=png(fp.diverging_colours(flow[2], scale_away, known)) if metric else None,
    )


def _context(store: Store, chosen: _Chosen) -> Image:
    """The whole first frame, in colour where there is colour."""
    stream = "rgb" if has_stream(chosen.frames, "rgb") else "depth"
    frame = read_frames(store, SHARDS, chosen.planned.shard, chosen.frames, stream, [chosen.number])[0]
    return jpeg(at_most(as_picture(frame)[0], _CONTEXT_SIDE))
