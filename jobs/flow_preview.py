"""`motionpipe flow --preview`: the flow of one pair of frames as a picture, computed with the recipe at hand.

No artefact is read or written but the shards, so that a setting can be tried before a stage is run with it.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt
import torch

from ..pipeline.artefacts import SHARDS, read_manifest, read_report
from ..pipeline.dense_flow import dense_flow
from ..pipeline.estimate_flow import STREAM_OF_METHOD, require_usable
from ..pipeline.flow_cells import cell_means
from ..pipeline.pair_pictures import FlowPair
from ..pipeline.read_sample import has_stream, read_frames
from ..pipeline.store import Store
from ..schemas.clip import Clip
from ..schemas.errors import BadSampleError, MotionpipeError
from ..schemas.flow import FlowCells
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe
from ..schemas.recording import PlannedRecording
from ..schemas.report import SampleEntry
from .device import require_device
from .flow import read_flow_clip, resolve_method
from .flow_run import load_flow_run
from .options import RunOptions
from .preview_figure import Preview, preview_png
from .trace import find_planned

_FAR_MM = 200


def preview_flow(
    store: Store, recipe: Recipe, key: str, pair: int | None, out: Path | None, options: RunOptions
) -> None:
    """Compute the flow of one pair of a sample and write its picture; print where it is and how the pair moves.

    pair: number of its first frame; default: the pair whose frames differ most. out: the PNG file; default:
    report/preview/KEY-METHOD-PAIR.png in the store.
    """
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    config = resolve_method(store, shards, recipe.flow)
    planned, entry = _find_sample(store, key)
    try:
        preview = _preview(store, planned, entry, config, pair, options)
    except BadSampleError as error:
        raise MotionpipeError(f"{entry.key}: {error.reason}: {error.detail}") from error
    png = preview_png(preview)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(png)
        place = str(out)
    else:
        name = f"report/preview/{entry.key}-{config.method}-{preview.pair:04d}.png"
        store.write_bytes(name, png)
        place = f"{store.uri}/{name}"
    click.echo(f"{preview.title}\n{preview.figures}\n{place}")


def _find_sample(store: Store, key: str) -> tuple[PlannedRecording, SampleEntry]:
    """A sample by its key, or the first of a recording by its id or path."""
    planned = find_planned(store, key)
    report = read_report(store, SHARDS, planned.shard)
    own = [entry for entry in report.samples if entry.recording_id == planned.recording_id]
    named = [entry for entry in own if entry.key == key] or own
    if not named:
        raise MotionpipeError(f"{key} was rejected by shard; see: motionpipe rejects show {planned.key}")
    return planned, named[0]


def _preview(
    store: Store,
    planned: PlannedRecording,
    entry: SampleEntry,
    config: FlowSection,
    pair: int | None,
    options: RunOptions,
) -> Preview:
    clip, brightness = read_flow_clip(store, planned.shard, entry, config)
    require_usable(clip, entry.fps, config)
    require_device(options.device)
    stride = config.stride_at(entry.fps)
    learned = load_flow_run(store, config.run, options.device) if config.run else None
    if pair is None:
        pair = most_changing_pair(clip, stride, config)
    elif pair >= len(clip) - stride:
        raise MotionpipeError(f"--pair {pair}: {entry.key} has pairs 0 to {len(clip) - stride - 1}")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # as workers do: the time is theirs
    start = time.perf_counter()
    flow, valid = next(dense_flow(clip, stride, config, [pair], options.device, learned=learned))
    seconds = time.perf_counter() - start
    means, counts = cell_means(flow, valid, config.cell)
    cells = FlowCells(entry.key, means.astype(np.float16), counts, stride, config.cell)
    stream = STREAM_OF_METHOD[config.method]
    frames = clip.depth if stream == "depth" else clip.rgb
    assert frames is not None
    # registered RGB lies on the depth frame, pixel on pixel
    shows = "rgb" if stream == "depth" and entry.registered and has_stream(entry, "rgb") else stream
    shown = read_frames(store, SHARDS, planned.shard, entry, shows, [pair, pair + stride])
    return Preview(
        key=entry.key,
        label=planned.recording.label_name or "",
        config=config,
        brightness=brightness,
        pair=pair,
        stride=stride,
        step_ms=1000 * stride / entry.fps,
        seconds=seconds,
        frames=shown,
        dense=flow[0],
        valid=valid[0],
        shown=FlowPair(frames[pair], means[0], cells.cell_is_valid()[0], config.cell, clip.depth_camera),
    )


def most_changing_pair(clip: Clip, stride: int, config: FlowSection) -> int:
    """The pair whose frames differ most, pixel by pixel; pairs across missing frames come last.

    Depth that differs by more than 0.2 m, or is there once only, counts as 0.2 m.
    """
    frames = clip.depth if config.method == "pd" else clip.rgb
    assert frames is not None
    changes = [_change(first, second) for first, second in zip(frames, frames[stride:], strict=False)]
    if clip.source_slots is not None:
        apart = clip.source_slots[stride:] - clip.source_slots[:-stride] != stride
        changes = [-1.0 if gap else change for change, gap in zip(changes, apart, strict=True)]
    return int(np.argmax(changes))


def _change(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> float:
    difference = np.abs(first.astype(np.int32) - second.astype(np.int32))
    return float(difference.clip(max=_FAR_MM).mean())
