"""`motionpipe flow`: motion between the frames of every sample, as a named artefact."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..pipeline.artefacts import SHARDS, read_manifest, read_report, read_samples
from ..pipeline.estimate_flow import STREAM_OF_METHOD, brightness_of, estimate_flow
from ..pipeline.read_sample import has_stream, read_clip
from ..pipeline.samples import npy_bytes
from ..pipeline.store import Store
from ..pipeline.write_shard import Sample, ShardWork, write_tar_shard
from ..schemas.errors import BadSampleError, MotionpipeError
from ..schemas.recipe import FlowSection, Recipe
from ..schemas.report import Identity, Manifest, SampleEntry
from .options import RunOptions
from .stage import StageResult, Work, run_stage

MADE_BY = "motionpipe flow"


def flow(store: Store, recipe: Recipe, name: str | None, options: RunOptions) -> StageResult:
    """Estimate the flow of every sample that has the stream the method reads; the others are rejected."""
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    config = resolve_method(store, shards, recipe.flow)
    stream = STREAM_OF_METHOD[config.method]
    if not any(has_stream(entry, stream) for _, entry in read_samples(store, SHARDS, shards)):
        raise MotionpipeError(f"method {config.method} needs {stream} frames, which no sample of {store.uri} has")
    recipe = recipe.model_copy(update={"flow": config})
    folder = f"flow/{name or config.method}"
    identity = Identity(stage="flow", section=config.model_dump(mode="json"), data={}, parents={"shards": shards.hash})
    make_worker = partial(flow_worker, store, folder, config)
    return run_stage(store, folder, identity, recipe, lambda: shard_sizes(store, shards), make_worker, options)


def shard_sizes(store: Store, shards: Manifest) -> list[int]:
    """Samples in each shard."""
    return [len(read_report(store, SHARDS, summary.shard).samples) for summary in shards.shards]


def resolve_method(store: Store, shards: Manifest, config: FlowSection) -> FlowSection:
    """ "auto" becomes pd where any sample has depth, else dis."""
    if config.method != "auto":
        return config
    any_depth = any(has_stream(entry, "depth") for _, entry in read_samples(store, SHARDS, shards))
    return config.model_copy(update={"method": "pd" if any_depth else "dis"})


def flow_worker(store: Store, folder: str, config: FlowSection) -> Work:
    """The work on one shard: flow of each of its samples."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)

    return ShardWork(
        items=lambda shard: read_report(store, SHARDS, shard).samples,
        build=lambda shard, entry: _flow_samples(store, shard, entry, config),
        write=partial(write_tar_shard, store, folder),
    )


def _flow_samples(store: Store, shard: int, entry: SampleEntry, config: FlowSection) -> Iterable[Sample]:
    stream = STREAM_OF_METHOD[config.method]
    if not has_stream(entry, stream):
        raise BadSampleError(f"no-{stream}", f"method {config.method} needs {stream} frames, which {entry.key} lacks")
    registered = entry.registered is not None
    brightness = brightness_of(config.intensity, registered) if config.method == "pd" else None
    if brightness == "rgb" and not registered:
        raise BadSampleError(
            "unregistered", f"flow.intensity = rgb needs RGB registered to depth, {entry.key} has none"
        )
    clip = read_clip(store, SHARDS, shard, entry, ["rgb", stream] if brightness == "rgb" else [stream])
    cells = estimate_flow(clip, entry.fps, config)
    members = {"flow.npy": npy_bytes(cells.flow), "valid.npy": npy_bytes(cells.valid)}
    yield Sample(
        key=entry.key,
        members=members,
        num_frames=entry.num_frames,
        fps=entry.fps,
        source_hash=entry.source_hash,
        stride=cells.stride,
        motion=cells.motion(),
        brightness=brightness,
        counts={"pairs": len(cells.flow)},
    )
