"""`motionpipe flow`: motion between the frames of every sample, as a named artefact."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..pipeline.artefacts import SHARDS, read_manifest, read_report, read_samples
from ..pipeline.dense_flow import brightness_of
from ..pipeline.estimate_flow import STREAM_OF_METHOD, estimate_flow, estimate_pixels
from ..pipeline.learned_flow import PairFlow
from ..pipeline.read_sample import has_stream, read_clip
from ..pipeline.samples import npy_bytes
from ..pipeline.store import Store
from ..pipeline.write_shard import Sample, ShardWork, write_tar_shard
from ..schemas.clip import Clip
from ..schemas.errors import BadSampleError, MotionpipeError
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe
from ..schemas.report import Identity, Manifest, SampleEntry
from .device import mention_idle_gpu, require_device
from .flow_run import find_flow_run, load_flow_run
from .options import RunOptions
from .provenance import learned_data
from .stage import StageResult, Work, run_stage

MADE_BY = "motionpipe flow"


def flow(store: Store, recipe: Recipe, name: str | None, options: RunOptions) -> StageResult:
    """Estimate the flow of every sample that has the stream the method reads; the others are rejected."""
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    config = resolve_method(store, shards, recipe.flow)
    stream = STREAM_OF_METHOD[config.method]
    if config.method not in ("pd", "learned") and options.gpus_per_worker:
        raise MotionpipeError(f"method {config.method} computes on the CPU; leave --gpus-per-worker out")
    if not any(has_stream(entry, stream) for _, entry in read_samples(store, SHARDS, shards)):
        raise MotionpipeError(f"method {config.method} needs {stream} frames, which no sample of {store.uri} has")
    if config.method in ("pd", "learned"):
        mention_idle_gpu(options)
    recipe = recipe.model_copy(update={"flow": config})
    folder = f"flow/{name or (config.run.rpartition(':')[2] if config.run else config.method)}"
    learned = [find_flow_run(store, config.run)[1]] if config.run else []
    parents = {"shards": shards.hash, **({"run": learned[0].hash} if learned else {})}
    data = learned_data(None, learned)
    identity = Identity(stage="flow", section=config.model_dump(mode="json"), data=data, parents=parents)
    make_worker = partial(flow_worker, store, folder, config, options.device)
    sizes = partial(shard_sizes, store, shards)
    return run_stage(store, folder, identity, recipe, sizes, make_worker, options)


def shard_sizes(store: Store, shards: Manifest) -> list[int]:
    """Samples in each shard."""
    return [len(read_report(store, SHARDS, summary.shard).samples) for summary in shards.shards]


def resolve_method(store: Store, shards: Manifest, config: FlowSection) -> FlowSection:
    """ "auto" becomes pd where any sample has depth, else dis."""
    if config.method != "auto":
        return config
    any_depth = any(has_stream(entry, "depth") for _, entry in read_samples(store, SHARDS, shards))
    return config.model_copy(update={"method": "pd" if any_depth else "dis"})


def flow_worker(store: Store, folder: str, config: FlowSection, device: str) -> Work:
    """The work on one shard: flow of each of its samples."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    require_device(device)
    learned = load_flow_run(store, config.run, device) if config.run else None

    return ShardWork(
        items=lambda shard: read_report(store, SHARDS, shard).samples,
        build=lambda shard, entry: _flow_samples(store, shard, entry, config, device, learned),
        write=partial(write_tar_shard, store, folder),
    )


def read_flow_clip(store: Store, shard: int, entry: SampleEntry, config: FlowSection) -> tuple[Clip, str | None]:
    """The frames that the method reads, and what scene flow asks brightness constancy of (None for the others).

    Raises BadSampleError where the sample lacks a stream, or has RGB and depth in two frames.
    """
    stream = STREAM_OF_METHOD[config.method]
    if not has_stream(entry, stream):
        raise BadSampleError(f"no-{stream}", f"method {config.method} needs {stream} frames, which {entry.key} lacks")
    registered = entry.registered is not None
    brightness = brightness_of(config.intensity, registered) if config.method == "pd" else None
    if brightness == "rgb" and not registered:
        raise BadSampleError(
            "unregistered", f"flow.intensity = rgb needs RGB registered to depth, {entry.key} has none"
        )
    return read_clip(store, SHARDS, shard, entry, ["rgb", stream] if brightness == "rgb" else [stream]), brightness


def _flow_samples(
    store: Store, shard: int, entry: SampleEntry, config: FlowSection, device: str, learned: PairFlow | None
) -> Iterable[Sample]:
    clip, brightness = read_flow_clip(store, shard, entry, config)
    dense = {}
    if config.keep == "pixels":
        cells, pixels = estimate_pixels(clip, entry.fps, config, device, learned=learned)
        dense = {"flow_px.npy": npy_bytes(pixels.flow), "valid_px.npy": npy_bytes(pixels.valid)}
        del pixels  # not twice in memory while it is written
    else:
        cells = estimate_flow(clip, entry.fps, config, device, learned=learned)
    yield Sample(
        key=entry.key,
        members={"flow.npy": npy_bytes(cells.flow), "valid.npy": npy_bytes(cells.valid)} | dense,
        num_frames=entry.num_frames,
        fps=entry.fps,
        source_hash=entry.source_hash,
        stride=cells.stride,
        motion=cells.motion(),
        brightness=brightness,
        counts={"pairs": len(cells.flow)},
    )
