"""`motionpipe embed --encoder`: percepts of an image network whose weights come from a file, as Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import click
import numpy as np
import torch

from ..models.image_encoders import SIDE, EncoderName, ImageEncoder, load_image_encoder
from ..pipeline.artefacts import SHARDS, read_manifest, read_report
from ..pipeline.percepts import Float, Frames, percept_rows
from ..pipeline.plan import read_planned_shard
from ..pipeline.store import Store
from ..pipeline.weight_files import read_weights
from ..pipeline.write_shard import ShardWork, write_rows_shard
from ..schemas.embedding import EmbeddingRow
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import EmbedSection, Recipe
from ..schemas.recording import Recording
from ..schemas.report import Identity, SampleEntry
from .device import mention_idle_gpu, require_device
from .embed import embeddings_parquet
from .flow import shard_sizes
from .options import RunOptions
from .stage import StageResult, Work, run_stage


@dataclass(frozen=True)
class EncoderFile:
    """An image network and the file of its weights."""

    name: EncoderName
    weights: Path
    sha256: str


def embed_with_encoder(
    store: Store, recipe: Recipe, encoder: EncoderName, weights: Path, name: str | None, options: RunOptions
) -> StageResult:
    """Write the percepts of every sample."""
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    chosen = EncoderFile(encoder, weights.resolve(), hashlib.sha256(weights.read_bytes()).hexdigest())
    load_encoder(chosen)  # one clear line now, and not one a worker
    name = name or (encoder if recipe.embed.per == "clip" else f"{encoder}-frame")
    mention_idle_gpu(options)
    identity = Identity(
        stage="embed",
        section=recipe.embed.model_dump(mode="json"),
        data={"encoder": encoder},
        parents={"shards": shards.hash, "weights": chosen.sha256},
    )
    folder = f"embeddings/{name}"
    make_worker = partial(percepts_worker, store, folder, chosen, recipe.embed, options.device)
    result = run_stage(store, folder, identity, recipe, partial(shard_sizes, store, shards), make_worker, options)
    click.echo(f"  percepts of {encoder}, weights {chosen.sha256[:12]}")
    return result


def percepts_worker(store: Store, folder: str, encoder: EncoderFile, embed: EmbedSection, device: str) -> Work:
    """The work on one shard: its samples' rows in one Parquet file. The weights are loaded once a worker."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    require_device(device)
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    net = load_encoder(encoder)
    net.to(device)  # type: ignore[attr-defined]
    metadata = {"encoder": encoder.name, "weights": encoder.sha256, "shards": shards.hash}
    metadata |= {"recipe": embed.model_dump_json()}

    @torch.inference_mode()
    def features(images: Frames) -> Float:
        batches = torch.split(torch.from_numpy(images).permute(0, 3, 1, 2), embed.batch)
        return np.asarray(torch.cat([net.features(b.to(device)).float().cpu() for b in batches]).numpy())

    def build(shard: int, entry: SampleEntry) -> list[EmbeddingRow]:
        return percept_rows(store, shard, entry, recordings(shard)[entry.recording_id], embed, features, SIDE)

    @lru_cache(maxsize=1)
    def recordings(shard: int) -> dict[str, Recording]:
        return {row.recording_id: row.recording for row in read_planned_shard(store, shard)}

    def parquet(rows: Sequence[EmbeddingRow]) -> bytes:
        return embeddings_parquet(rows, metadata)

    return ShardWork(
        items=lambda shard: read_report(store, SHARDS, shard).samples,
        build=build,
        write=partial(write_rows_shard, store, folder, parquet=parquet),
    )


def load_encoder(encoder: EncoderFile) -> ImageEncoder:
    """The network with its weights; one clear error where the file is not of this network."""
    try:
        return load_image_encoder(encoder.name, read_weights(encoder.weights))
    except ValueError as error:
        raise MotionpipeError(f"{encoder.weights}: {error}") from error
