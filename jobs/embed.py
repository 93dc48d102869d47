"""`motionpipe embed`: a run's embeddings, and those of its untrained weights, as Parquet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import torch

from ..models import atomic_flow
from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest, read_report, report_name
from ..pipeline.batches_atomic_flow import STREAMS
from ..pipeline.embed_sample import Encoder, embed_sample
from ..pipeline.frame_input import Float
from ..pipeline.parquet_files import parquet_bytes
from ..pipeline.plan import read_planned_shard
from ..pipeline.read_sample import has_stream
from ..pipeline.store import Store
from ..schemas.codebook import Codebook
from ..schemas.embedding import EmbeddingRow, embedding_schema
from ..schemas.recipe import EmbedSection, Recipe, TrainSection
from ..schemas.report import Identity, Manifest, Reject, SampleEntry, ShardReport
from .flow import shard_sizes
from .options import RunOptions
from .run_files import RunFiles, load_checkpoint
from .stage import StageResult, Work, run_stage

MADE_BY = "motionpipe embed"


def embed(store: Store, recipe: Recipe, run: str | None, name: str | None, options: RunOptions) -> list[StageResult]:
    """Embed every sample with the run's last weights, and with its step-0 weights beside them."""
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    run = run or only_artefact(store, "runs", "--run", "motionpipe train-cluster")
    files = RunFiles(store, run)
    trained = read_manifest(store, files.folder, "motionpipe train-cluster --name …")
    name = name or (run if recipe.embed.per == "clip" else f"{run}-frame")
    weights = {name: f"{files.folder}/{trained.shards[0].file}", f"{name}@init": files.initial()}
    results = []
    for target, checkpoint in weights.items():
        sha256 = hashlib.sha256(store.read_bytes(checkpoint)).hexdigest()
        identity = Identity(
            stage="embed",
            section=recipe.embed.model_dump(mode="json"),
            data={"run": run, "trained_on": trained.identity.data["protocol"]},
            parents={"shards": shards.hash, "checkpoint": sha256},
        )
        make_worker = partial(embed_worker, store, f"embeddings/{target}", run, checkpoint, sha256, recipe.embed)
        sizes = partial(shard_sizes, store, shards)
        results.append(run_stage(store, f"embeddings/{target}", identity, recipe, sizes, make_worker, options))
    return results


def embed_worker(store: Store, folder: str, run: str, checkpoint: str, sha256: str, embed: EmbedSection) -> Work:
    """The work on one shard: its samples' rows in one Parquet file. The weights are loaded once a worker."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    trained = read_manifest(store, f"runs/{run}", "motionpipe train-cluster")
    encoder = load_encoder(store, run, trained, checkpoint, embed)
    metadata = {"run": run, "checkpoint": sha256, "recipe": embed.model_dump_json(), "shards": shards.hash}

    def run_shard(shard: int) -> ShardReport:
        entries = read_report(store, SHARDS, shard).samples
        recordings = {row.recording_id: row.recording for row in read_planned_shard(store, shard)}
        rows: list[EmbeddingRow] = []
        rejects: list[Reject] = []
        for entry in entries:
            refused = _refused(entry, encoder.train.modality, run)
            if refused:
                rejects.append(refused)
            else:
                rows += embed_sample(store, shard, entry, recordings[entry.recording_id], encoder)
        return _write_shard(store, folder, shard, rows, rejects, entries, metadata)

    return run_shard


def load_encoder(store: Store, run: str, trained: Manifest, checkpoint: str, embed: EmbedSection) -> Encoder:
    """The network of a checkpoint, ready to embed."""
    state = load_checkpoint(store, checkpoint)
    config = TrainSection.model_validate(trained.identity.section)
    flow_name = json.loads(store.read_bytes(f"runs/{run}/identity.json"))["info"]["flow"]
    flow = read_manifest(store, f"flow/{flow_name}", "motionpipe flow").identity.section
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = atomic_flow.build(config, _codebook_of(state["model"]))
    net.load_state_dict(state["model"])
    net = net.eval().to(device)

    @torch.inference_mode()
    def features(clips: Float) -> Float:
        parts = [
            atomic_flow.features(net, torch.from_numpy(clips[i : i + embed.batch]).to(device), embed.pool_grid).cpu()
            for i in range(0, len(clips), embed.batch)
        ]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)

    return Encoder(features, config, embed, flow["step_s"], flow["cell"])


def _codebook_of(model: dict[str, torch.Tensor]) -> Codebook:
    """A codebook of the checkpoint's sizes; its values come with the state."""
    counts = np.ones(len(model["centres"]), dtype=np.int64)
    return Codebook(model["centres"].numpy(), counts, model["clip"].numpy())


def _refused(entry: SampleEntry, modality: str, run: str) -> Reject | None:
    """Why a sample cannot be embedded: a stream is missing, or the two that are stacked do not share a frame."""
    missing = [stream for stream in STREAMS[modality] if not has_stream(entry, stream)]
    if missing:
        reason, detail = f"no-{missing[0]}", f"run {run} needs {missing[0]} frames, which {entry.key} lacks"
    elif modality == "rgbd" and not entry.registered:
        reason, detail = "unregistered", f"run {run} stacks RGB on depth, which {entry.key} has in different frames"
    else:
        return None
    return Reject(
        stage="embeddings",
        key=entry.key,
        recording_id=entry.recording_id,
        path=entry.path,
        reason=reason,
        detail=detail,
    )


def _write_shard(
    store: Store,
    folder: str,
    shard: int,
    rows: Sequence[EmbeddingRow],
    rejects: Sequence[Reject],
    entries: Sequence[SampleEntry],
    metadata: dict[str, str],
) -> ShardReport:
    file = f"{shard:06d}.parquet"
    data = parquet_bytes(embeddings_table(rows, metadata))
    store.write_bytes(f"{folder}/{file}", data)
    rejected = {reject.key for reject in rejects}
    report = ShardReport(
        shard=shard,
        file=file,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        read=len(entries),
        written=len(entries) - len(rejects),
        samples=tuple(entry.model_copy(update={"members": {}}) for entry in entries if entry.key not in rejected),
        rejects=tuple(rejects),
        totals={"rows": len(rows)},
    )
    store.write_bytes(f"{folder}/{report_name(shard)}", report.model_dump_json().encode())
    return report


def embeddings_table(rows: Sequence[EmbeddingRow], metadata: dict[str, str]) -> pa.Table:
    """Rows as an Arrow table; an empty shard has embeddings of one value."""
    dim = len(rows[0].embedding) if rows else 1
    return pa.Table.from_pylist([row.as_dict() for row in rows], schema=embedding_schema(dim, metadata))
