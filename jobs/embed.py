"""`motionpipe embed`: a run's embeddings, and those of its untrained weights, as Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..models.atomic_flow import features as features_of
from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest, read_report
from ..pipeline.embed_sample import Encoder, embed_sample
from ..pipeline.frame_input import STREAMS, Float
from ..pipeline.parquet_files import parquet_bytes
from ..pipeline.plan import read_planned_shard
from ..pipeline.read_sample import has_stream
from ..pipeline.store import Store
from ..pipeline.write_shard import ShardWork, write_rows_shard
from ..schemas.embedding import EmbeddingRow, embedding_schema
from ..schemas.errors import BadSampleError
from ..schemas.recipe import EmbedSection, Recipe
from ..schemas.recording import Recording
from ..schemas.report import Identity, Manifest, SampleEntry
from .device import mention_idle_gpu, require_device
from .flow import shard_sizes
from .learners import trained_network
from .options import RunOptions
from .run_files import RunFiles, load_checkpoint
from .stage import StageResult, Work, run_stage
from .train_data import flow_of, network_of

MADE_BY = "motionpipe embed"


def embed(store: Store, recipe: Recipe, run: str | None, name: str | None, options: RunOptions) -> list[StageResult]:
    """Embed every sample with the run's last weights, and with its step-0 weights beside them."""
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    run = run or only_artefact(store, "runs", "--run", "motionpipe train-cluster")
    files = RunFiles(store, run)
    trained = read_manifest(store, files.folder, "motionpipe train-cluster --name …")
    name = name or (run if recipe.embed.per == "clip" else f"{run}-frame")
    weights = {name: f"{files.folder}/{trained.shards[0].file}", f"{name}@init": files.initial()}
    mention_idle_gpu(options)
    results = []
    for target, checkpoint in weights.items():
        sha256 = hashlib.sha256(store.read_bytes(checkpoint)).hexdigest()
        identity = Identity(
            stage="embed",
            section=recipe.embed.model_dump(mode="json"),
            data={"run": run, "trained_on": trained.identity.data["protocol"]},
            parents={"shards": shards.hash, "checkpoint": sha256},
        )
        make_worker = partial(
            embed_worker, store, f"embeddings/{target}", run, checkpoint, sha256, recipe.embed, options.device
        )
        sizes = partial(shard_sizes, store, shards)
        folder = f"embeddings/{target}"
        results.append(run_stage(store, folder, identity, recipe, sizes, make_worker, options))
    return results


def embed_worker(
    store: Store, folder: str, run: str, checkpoint: str, sha256: str, embed: EmbedSection, device: str
) -> Work:
    """The work on one shard: its samples' rows in one Parquet file. The weights are loaded once a worker."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    require_device(device)
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    trained = read_manifest(store, f"runs/{run}", "motionpipe train-cluster")
    encoder = load_encoder(store, trained, checkpoint, embed, device)
    metadata = {"run": run, "checkpoint": sha256, "recipe": embed.model_dump_json(), "shards": shards.hash}

    def build(shard: int, entry: SampleEntry) -> list[EmbeddingRow]:
        require_streams(entry, encoder.train.modality, run)
        return embed_sample(store, shard, entry, recordings(shard)[entry.recording_id], encoder)

    @lru_cache(maxsize=1)
    def recordings(shard: int) -> dict[str, Recording]:
        return {row.recording_id: row.recording for row in read_planned_shard(store, shard)}

    return ShardWork(
        items=lambda shard: read_report(store, SHARDS, shard).samples,
        build=build,
        write=partial(write_rows_shard, store, folder, parquet=partial(embeddings_parquet, metadata=metadata)),
    )


def load_encoder(store: Store, trained: Manifest, checkpoint: str, embed: EmbedSection, device: str) -> Encoder:
    """The network of a checkpoint, ready to embed."""
    state = load_checkpoint(store, checkpoint)
    config = network_of(trained)
    net: Any = trained_network(trained.identity.data["task"], config, state["model"]).to(device)

    @torch.inference_mode()
    def features(clips: Float) -> Float:
        parts = [
            features_of(net, torch.from_numpy(clips[i : i + embed.batch]).to(device), embed.pool_grid).cpu()
            for i in range(0, len(clips), embed.batch)
        ]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)

    return Encoder(features, config, embed, flow_of(trained))


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
