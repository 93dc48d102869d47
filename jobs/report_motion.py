"""Motion in the report: for a few samples of a flow artefact, the pair of frames that moves most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from ..pipeline import flow_pictures as fp
from ..pipeline.artefacts import SHARDS
from ..pipeline.read_flow import read_rows
from ..pipeline.read_sample import has_stream, read_frames, read_meta
from ..pipeline.samples import camera_of
from ..pipeline.store import Store
from ..schemas.flow import FlowCells
from ..schemas.recording import PlannedRecording
from ..schemas.report import SampleEntry
from .inventory import Artefact, shard_numbers
from .report_samples import Image, as_picture, at_most, choose, entries_of, jpeg, png

_CONTEXT_SIDE = 280
_ARROWS_SIDE = 420
_MOST_ARROWS = 28  # along the longer side


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
class _Pair:
    """A chosen pair before the common scale is known; known, flow and box in cells."""

    planned: PlannedRecording
    shard: int
    frames: SampleEntry
    entry: SampleEntry
    pair: int
    cells: FlowCells
    box: tuple[slice, slice]

    def flow(self) -> npt.NDArray[np.float32]:
        """(C, h, w) inside the box, in the flow's own unit."""
        return self.cells.flow[(0, slice(None), *self.box)].astype(np.float32)

    def known(self) -> npt.NDArray[np.bool_]:
        """(h, w) inside the box."""
        return self.cells.cell_is_valid()[(0, *self.box)]


def flow_sheet(
    store: Store, artefact: Artefact, candidates: Sequence[PlannedRecording], count: int = 8
) -> FlowSheet | None:
    """The most moving pair of a few samples of a flow artefact; None where no sample is finished yet."""
    done = set(shard_numbers(store, artefact.folder))
    chosen = choose([row for row in candidates if row.shard in done], count)
    cell = int(artefact.identity.section["cell"])
    frames_of = {entry.key: entry for _, entry in entries_of(store, SHARDS, chosen)}
    entries = [(row, entry) for row, entry in entries_of(store, artefact.folder, chosen) if entry.motion]
    pairs = [_pair(store, artefact.folder, row, frames_of[entry.key], entry, cell) for row, entry in entries]
    if not pairs:
        return None
    channels = pairs[0].cells.flow.shape[1]
    scale, scale_away = _scales(pairs)
    factor, unit = (1000.0, "mm") if channels == 3 else (1.0, "px")
    return FlowSheet(
        artefact=artefact,
        unit=unit,
        stream="depth" if channels == 3 else "rgb",
        scale=scale * factor,
        scale_away=scale_away * factor,
        wheel=png(fp.wheel_legend(144)),
        bar=png(fp.diverging_legend(160, 12)) if channels == 3 else None,
        shown=tuple(_shown_flow(store, pair, scale, scale_away) for pair in pairs),
    )


def _pair(
    store: Store, folder: str, row: PlannedRecording, frames: SampleEntry, entry: SampleEntry, cell: int
) -> _Pair:
    assert entry.stride is not None
    pair = int(np.argmax(entry.motion))
    read = partial(read_rows, store, folder, row.shard, entry, rows=slice(pair, pair + 1))
    cells = FlowCells(
        entry.key, np.asarray(read("flow.npy"), np.float16), np.asarray(read("valid.npy"), np.uint8), entry.stride, cell
    )
    return _Pair(row, row.shard, frames, entry, pair, cells, fp.valid_box(cells.cell_is_valid()[0], margin=2))


def _scales(pairs: Sequence[_Pair]) -> tuple[float, float]:
    """Common scales of (δx, δy) and of δz: round numbers that few of the shown cells exceed."""
    vectors = np.concatenate([pair.flow()[:, pair.known()] for pair in pairs], axis=1)
    across = _long(np.hypot(vectors[0], vectors[1]))
    away = _long(np.abs(vectors[2])) if len(vectors) == 3 else 1.0
    return fp.round_up(across), fp.round_up(away)


def _long(lengths: npt.NDArray[np.float32]) -> float:
    """A length that few cells exceed, among those that move: most of a picture may stand still. 0 where all do."""
    moving = lengths[lengths > 0.1 * lengths.max(initial=0.0)]
    return float(np.percentile(moving, 90)) if len(moving) else 0.0


def _shown_flow(store: Store, chosen: _Pair, scale: float, scale_away: float) -> ShownFlow:
    flow, known = chosen.flow(), chosen.known()
    arrows, factor = _arrows(store, chosen)
    entry, stride = chosen.entry, chosen.cells.stride
    metric = len(flow) == 3
    unit = 1000.0 if metric else 1.0
    lengths = np.linalg.norm(flow, axis=0)[known]
    return ShownFlow(
        key=entry.key,
        label=chosen.planned.recording.label_name or "",
        pair=chosen.pair,
        stride=stride,
        step_ms=1000 * stride / entry.fps,
        motion=entry.motion[chosen.pair] * unit,
        largest=float(lengths.max(initial=0.0)) * unit,
        frame=_context(store, chosen),
        arrows=arrows,
        arrow_factor=factor,
        wheel=png(fp.wheel_colours(flow[:2], scale, known)),
        away=png(fp.diverging_colours(flow[2], scale_away, known)) if metric else None,
    )


def _context(store: Store, chosen: _Pair) -> Image:
    """The whole first frame, in colour where there is colour."""
    stream = "rgb" if has_stream(chosen.frames, "rgb") else "depth"
    frame = read_frames(store, SHARDS, chosen.shard, chosen.frames, stream, [chosen.pair])[0]
    return jpeg(at_most(as_picture(frame)[0], _CONTEXT_SIDE))


def _arrows(store: Store, chosen: _Pair) -> tuple[Image, float]:
    """The first frame inside the box, enlarged, with arrows of where cells move in the picture; their factor."""
    stream = "depth" if chosen.cells.flow.shape[1] == 3 else "rgb"
    frame = read_frames(store, SHARDS, chosen.shard, chosen.frames, stream, [chosen.pair])[0]
    flow, cell = chosen.cells.flow[0].astype(np.float32), chosen.cells.cell
    shift: npt.NDArray[np.float32] = flow
    if stream == "depth":
        camera = camera_of(read_meta(store, SHARDS, chosen.shard, chosen.frames))
        shift = fp.image_shift(flow, fp.cell_depth(frame, cell), camera, cell)
    rows, cols = chosen.box
    part = frame[rows.start * cell : rows.stop * cell, cols.start * cell : cols.stop * cell]
    zoom = max(1, _ARROWS_SIDE // max(part.shape[:2]))
    height, width = part.shape[0] * zoom, part.shape[1] * zoom
    method = cv2.INTER_NEAREST if part.dtype == np.uint16 else cv2.INTER_CUBIC
    picture = as_picture(cv2.resize(part, (width, height), interpolation=method))[0]
    inside = shift[(slice(None), *chosen.box)] * zoom
    every = max(1, -(-max(inside.shape[1:]) // _MOST_ARROWS))
    factor = _arrow_factor(inside, chosen.known(), cell * zoom * every)
    return jpeg(fp.draw_arrows(picture, inside, cell * zoom, chosen.known(), every, factor)), factor


def _arrow_factor(shift: npt.NDArray[np.float32], known: npt.NDArray[np.bool_], spacing: float) -> float:
    """The largest round factor under which long arrows span at most two places of the grid."""
    longest = _long(np.hypot(shift[0], shift[1])[known])
    return max((factor for factor in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0) if factor * longest <= 2 * spacing), default=0.5)
