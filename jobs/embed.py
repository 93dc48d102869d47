"""`motionpipe embed`: a run's embeddings, and those of its untrained weights, as Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa
import torch

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest, read_report
from ..pipeline.batches_clip_classifier import spaced_clips
from ..pipeline.clip_plan import TrainSample
from ..pipeline.embed_sample import embed_sample
from ..pipeline.frame_input import STREAMS
from ..pipeline.parquet_files import parquet_bytes
from ..pipeline.plan import read_planned_shard
from ..pipeline.read_sample import has_stream
from ..pipeline.score_clips import ClipScorer
from ..pipeline.store import Store
from ..pipeline.write_shard import ShardWork, write_rows_shard
from ..schemas.embedding import EmbeddingRow, embedding_schema
from ..schemas.errors import BadSampleError, MotionpipeError
from ..schemas.recipe import EmbedSection, Recipe
from ..schemas.recording import PlannedRecording
from ..schemas.report import Identity, Manifest, SampleEntry
from .device import mention_idle_gpu, require_device
from .find_run import find_run, run_text
from .flow import shard_sizes
from .options import RunOptions
from .provenance import learned_data
from .run_files import RunFiles, load_checkpoint
from .stage import StageResult, Work, run_stage
from .train_data import flow_of, learner_of, network_of, sample_of

MADE_BY = "motionpipe embed"


def embed(store: Store, recipe: Recipe, run: str | None, name: str | None, options: RunOptions) -> list[StageResult]:
    """Embed every sample with the run's last weights, and with its step-0 weights beside them."""
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    files = find_run(store, run or only_artefact(store, "runs", "--run", "motionpipe train-cluster"), "--run")
    trained = read_manifest(files.store, files.folder, "motionpipe train-cluster --name …")
    trained_in = read_manifest(files.store, SHARDS, "motionpipe shard")
    if learner_of(trained).features is None:
        raise MotionpipeError(
            f"run {files.name} has no features, it estimates flow; train a stream on it: --stage classifier"
        )
    name = name or (files.name if recipe.embed.per == "clip" else f"{files.name}-frame")
    weights = {name: f"{files.folder}/{trained.shards[0].file}", f"{name}@init": files.initial()}
    mention_idle_gpu(options)
    results = []
    for target, checkpoint in weights.items():
        sha256 = hashlib.sha256(files.store.read_bytes(checkpoint)).hexdigest()
        identity = Identity(
            stage="embed",
            section=recipe.embed.model_dump(mode="json"),
            data={
                "run": run_text(store, files),
                "trained_on": trained.identity.data["protocol"],
                "dataset": trained_in.identity.data["dataset"],
                **learned_data(None, [trained]),
            },
            parents={"shards": shards.hash, "checkpoint": sha256},
        )
        folder = f"embeddings/{target}"
        weight_file = Weights(files, checkpoint, sha256)
        make_worker = partial(embed_worker, store, folder, weight_file, recipe.embed, options.device)
        sizes = partial(shard_sizes, store, shards)
        results.append(run_stage(store, folder, identity, recipe, sizes, make_worker, options))
    return results


@dataclass(frozen=True)
class Weights:
    """A checkpoint of a run, by its name in the run's store, and its hash."""

    run: RunFiles
    checkpoint: str
    sha256: str


def embed_worker(store: Store, folder: str, weights: Weights, embed: EmbedSection, device: str) -> Work:
    """The work on one shard: its samples' rows in one Parquet file. The weights are loaded once a worker."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    require_device(device)
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    run = run_text(store, weights.run)
    trained = read_manifest(weights.run.store, weights.run.folder, "motionpipe train-cluster")
    scorer = load_scorer(store, trained, weights, embed, device)
    modality, flow = learner_of(trained).modality(network_of(trained)), flow_of(trained)
    metadata = {"run": run, "checkpoint": weights.sha256, "recipe": embed.model_dump_json(), "shards": shards.hash}

    def build(shard: int, entry: SampleEntry) -> list[EmbeddingRow]:
        require_streams(entry, modality, run)
        row = planned(shard)[entry.recording_id]
        sample = sample_of(shard, entry.model_copy(update={"stride": flow.stride_at(entry.fps)}), row)
        return embed_sample(store, sample, entry, row.recording, scorer)

    @lru_cache(maxsize=1)
    def planned(shard: int) -> dict[str, PlannedRecording]:
        return {row.recording_id: row for row in read_planned_shard(store, shard)}

    return ShardWork(
        items=lambda shard: read_report(store, SHARDS, shard).samples,
        build=build,
        write=partial(write_rows_shard, store, folder, parquet=partial(embeddings_parquet, metadata=metadata)),
    )


def load_scorer(store: Store, trained: Manifest, weights: Weights, embed: EmbedSection, device: str) -> ClipScorer:
    """The network of a checkpoint, ready to embed."""
    learner, network = learner_of(trained), network_of(trained)
    features = learner.features
    assert features is not None
    state = load_checkpoint(weights.run.store, weights.checkpoint)
    net = learner.restore(network, state["model"]).to(device)
    clips = learner.open(store, None, flow_of(trained).cell, network)
    frames = embed.clip_frames if embed.per == "clip" else 1
    around = learner.around if embed.per == "frame" else None
    cut = learner.cut if around is None else _single_frames
    return ClipScorer(
        cut=lambda sample: cut(network, sample, embed.num_clips, frames),
        show=lambda sample, numbers: learner.show(network, clips, sample, numbers),
        forward=lambda shown: features(net, shown, embed.pool_grid),
        batch=embed.batch,
        device=torch.device(device),
        around=None if around is None else partial(around, network),
    )


def _single_frames(network: Any, sample: TrainSample, num_clips: int, frames: int) -> list[list[int]]:
    return spaced_clips(sample.num_frames, 1, num_clips, frames)


def require_streams(entry: SampleEntry, modality: str, run: str) -> None:
    """Raise BadSampleError where a stream is missing, or the two that are stacked do not share a frame."""
    missing = [stream for stream in STREAMS[modality] if not has_stream(entry, stream)]
    if missing:
        raise BadSampleError(f"no-{missing[0]}", f"run {run} needs {missing[0]} frames, which {entry.key} lacks")
    if modality == "rgbd" and not entry.registered:
        raise BadSampleError("unregistered", f"run {run} stacks RGB on depth; {entry.key} has them in different frames")


def embeddings_parquet(rows: Sequence[EmbeddingRow], metadata: dict[str, str]) -> bytes:
    """The Parquet file of a shard's rows."""
    return parquet_bytes(embeddings_table(rows, metadata))


def embeddings_table(rows: Sequence[EmbeddingRow], metadata: dict[str, str]) -> pa.Table:
    """Rows as an Arrow table; an empty shard has embeddings of one value."""
    dim = len(rows[0].embedding) if rows else 1
    return pa.Table.from_pylist([row.as_dict() for row in rows], schema=embedding_schema(dim, metadata))
