"""`motionpipe shard`: recordings to WebDataset shards under a frozen plan."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path

import click

from ..pipeline.artefacts import SHARDS
from ..pipeline.datasets import base_folder, index_dataset, require_source
from ..pipeline.parquet_files import read_parquet
from ..pipeline.plan import PLAN_FILE, plan_shards, read_planned_shard, write_plan
from ..pipeline.samples import build_samples
from ..pipeline.store import Store
from ..pipeline.write_shard import ShardWork, write_tar_shard
from ..schemas.recipe import Recipe, ShardSection
from ..schemas.report import Identity
from .options import RunOptions
from .stage import StageResult, Work, finish_artefact, open_artefact, run_sharded, stage_result


def shard(store: Store, recipe: Recipe, dataset: str, source: Path, options: RunOptions) -> StageResult:
    """Plan once, then decode every recording that is not done."""
    start = time.monotonic()
    source = source.expanduser().resolve()
    identity = shard_identity(recipe, dataset)
    # index before anything is written: a wrong --source must leave no trace
    recordings = [] if store.exists(PLAN_FILE) else index_dataset(dataset, source, recipe.data)
    finished = open_artefact(store, SHARDS, identity, recipe, {"source": str(source)})
    if not finished:
        require_source(source)
    if not finished:
        if recordings:
            write_plan(store, plan_shards(recordings, recipe.shard.recordings_per_shard))
            del recordings
        counts = Counter(read_parquet(store, PLAN_FILE, ["shard"])["shard"].to_pylist())
        sizes = [counts[number] for number in range(len(counts))]
        click.echo(f"{SHARDS}: {sum(sizes)} recordings planned in {len(sizes)} shards", err=True)
        make_worker = partial(shard_worker, store, dataset, base_folder(source), recipe.shard)
        reports = run_sharded(store, SHARDS, sizes, make_worker, options)
        seconds = round(time.monotonic() - start, 3)
        finish_artefact(store, SHARDS, identity, reports, {"seconds": seconds, "workers": options.workers})
    return stage_result(store, SHARDS, time.monotonic() - start, not finished, options)


def shard_identity(recipe: Recipe, dataset: str) -> Identity:
    """What the shards' bytes depend on, besides the source's own bytes."""
    data = recipe.data.model_dump(mode="json", include={"limit", "test_fraction", "split_seed"})
    return Identity(
        stage="shard", section=recipe.shard.model_dump(mode="json"), data={"dataset": dataset, **data}, parents={}
    )


def shard_worker(store: Store, dataset: str, base: Path, config: ShardSection) -> Work:
    """The work on one shard: its planned recordings, decoded and written."""
    import cv2

    cv2.setNumThreads(1)

    return ShardWork(
        items=partial(read_planned_shard, store),
        build=lambda _, row: build_samples(row, dataset, base, config),
        write=partial(write_tar_shard, store, SHARDS),
    )
