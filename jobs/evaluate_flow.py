"""`motionpipe evaluate --on flow`: what flow leaves unexplained on test pairs, beside OpenCV's methods on the same.

No artefact: figures and picture lie in report/flow-quality/ and are made anew by each call.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

import click
import cv2
import numpy as np
import numpy.typing as npt
import torch

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest
from ..pipeline.clip_plan import TrainSample
from ..pipeline.flow_quality import FlowQuality, flow_quality
from ..pipeline.learned_flow import PairFlow
from ..pipeline.optical_flow import optical_flow
from ..pipeline.splits import planned_by_recording, resolve_protocol
from ..pipeline.store import Store
from ..pipeline.stored_frames import StoredFrames
from ..schemas.errors import MotionpipeError
from ..schemas.report import Manifest
from .device import mention_idle_gpu, require_device
from .flow_figure import FlowRow, flow_figure, shortened
from .flow_run import MADE_BY, find_flow_run, load_flow_run
from .options import RunOptions
from .progress import Progress
from .provenance import leak_of
from .run_files import RunFiles
from .train_data import network_of
from .train_uf_tsn import rgb_samples

FOLDER = "report/flow-quality"
PEERS = ("tv-l1", "dis-fast", "dis", "deepflow")
SHOWN = ("tv-l1", "dis")
_PICTURES = 4

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """A method on all pairs: figures, and pairs a second with one thread of the CPU (or the run's device)."""

    method: str
    quality: FlowQuality
    pairs_per_s: float


def evaluate_flow(store: Store, run: str | None, protocol: str | None, pairs: int, options: RunOptions) -> list[Row]:
    """Compare a run's flow with the others' on up to `pairs` consecutive test pairs, say and save the figures."""
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    run = run or only_artefact(store, "runs", "--run", MADE_BY)
    files, trained = find_flow_run(store, run)
    require_device(options.device)
    mention_idle_gpu(options)
    dataset = shards.identity.data["dataset"]
    own = _own_split(files, trained, dataset)
    name = resolve_protocol(dataset, protocol or own)
    if leak := leak_of(planned_by_recording(store), dataset, name, trained, f"run {run}", own):
        raise MotionpipeError(f"{leak}; choose its own protocol")
    stride = network_of(trained).stride
    samples = rgb_samples(store, shards, name, "test", 1 + stride)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    peers: dict[str, PairFlow] = {"still": _still, **{peer: partial(optical_flow, peer) for peer in PEERS}}
    own = f"run {files.name}" if files.name in peers else files.name
    methods = {own: load_flow_run(store, run, options.device)} | peers
    chosen = spaced_pairs([sample.num_frames for sample in samples], stride, pairs)
    rows = compare(methods, lambda: read_pairs(store, samples, chosen, stride), len(chosen))
    click.echo("\n".join(table(rows, name)))
    folder = f"{FOLDER}/{files.name}-{name}"
    record = {"run": run, "protocol": name, "pairs": len(chosen), "device": options.device}
    figures = [{"method": row.method, "pairs_per_s": row.pairs_per_s, **asdict(row.quality)} for row in rows]
    store.write_bytes(f"{folder}.json", json.dumps(record | {"rows": figures}, indent=1).encode())
    store.write_bytes(f"{folder}.png", _picture(store, samples, chosen, stride, {m: methods[m] for m in (own, *SHOWN)}))
    click.echo(f"{store.uri}/{folder}.png")
    return rows


def spaced_pairs(num_frames: list[int], stride: int, count: int) -> list[tuple[int, int]]:
    """(sample, first frame) of up to `count` pairs, evenly over samples, and evenly within each."""
    each = -(-count // len(num_frames))
    every = [
        (sample, int(first))
        for sample, frames in enumerate(num_frames)
        for first in np.unique(np.linspace(0, frames - 1 - stride, min(each, frames - stride) + 2).round()[1:-1])
    ]
    kept = np.unique(np.linspace(0, len(every) - 1, min(count, len(every))).round().astype(int))
    return [every[number] for number in kept]


def read_pairs(
    store: Store, samples: list[TrainSample], chosen: list[tuple[int, int]], stride: int
) -> Iterator[tuple[Frame, Frame]]:
    """The frames (H, W, 3) of the pairs, as they are stored."""
    frames = StoredFrames(store)
    for number, first in chosen:
        one, two = frames.rgb(samples[number], [first, first + stride])
        yield one, two


def compare(methods: dict[str, PairFlow], pairs: Callable[[], Iterator[tuple[Frame, Frame]]], count: int) -> list[Row]:
    """All methods on the same pairs, one pair after the other, so that load on the machine meets them alike."""
    progress = Progress("flow quality", count, "pairs")
    parts: dict[str, list[FlowQuality]] = {method: [] for method in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for first, second in pairs():
        for method, estimate in methods.items():
            start = time.perf_counter()
            flow = estimate(first, second)
            seconds[method] += time.perf_counter() - start
            parts[method].append(flow_quality(first, second, flow))
        progress.add(1)
    progress.close()
    return [
        Row(method, FlowQuality.mean(found), len(found) / max(seconds[method], 1e-9)) for method, found in parts.items()
    ]


def table(rows: list[Row], protocol: str) -> list[str]:
    """Lines of a table of figures; the first row is the run's."""
    head = f"{'flow on ' + protocol:24} {'warped l1':>9} {'census':>7} {'motion px':>9} {'pairs/s':>8}"
    return [head] + [
        f"{row.method:24} {row.quality.l1:9.3f} {row.quality.census:7.3f} {row.quality.motion_px:9.3f} "
        f"{row.pairs_per_s:8.2f}"
        for row in rows
    ]


def _still(first: Frame, second: Frame) -> npt.NDArray[np.float32]:
    return np.zeros((2, *first.shape[:2]), dtype=np.float32)


def _own_split(files: RunFiles, trained: Manifest, dataset: str) -> str | None:
    """The protocol that a run was trained on, where that is one of this dataset."""
    there = read_manifest(files.store, SHARDS, "motionpipe shard").identity.data["dataset"]
    return str(trained.identity.data["protocol"]) if there == dataset else None


def _picture(
    store: Store, samples: list[TrainSample], chosen: list[tuple[int, int]], stride: int, methods: dict[str, PairFlow]
) -> bytes:
    """Of some pairs evenly over the recordings those that move most, as the peers see it, a row each."""
    some = [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, min(24, len(chosen))).astype(int))]
    rows = []
    for (number, first), (one, two) in zip(some, read_pairs(store, samples, some, stride), strict=True):
        title = f"{shortened(samples[number].key, 24)}\nframe {first}"
        rows.append(FlowRow(title, one, {method: flow(one, two) for method, flow in methods.items()}))
    rows.sort(key=lambda row: -float(np.mean([np.hypot(*row.flows[peer]).mean() for peer in SHOWN])))
    return flow_figure(rows[:_PICTURES])
