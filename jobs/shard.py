"""`motionpipe shard`: recordings to WebDataset shards under a frozen plan."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from ..pipeline.artefacts import SHARDS
from ..pipeline.datasets import base_folder, index_dataset, require_source
from ..pipeline.plan import PLAN_FILE, plan_shards, read_plan, read_planned_shard, write_plan
from ..pipeline.plan_registration import (
    REGISTRATION_FILE,
    fit_registrations,
    read_registrations,
    write_registrations,
)
from ..pipeline.samples import build_samples
from ..pipeline.store import Store
from ..pipeline.write_shard import Sample, write_tar_shard
from ..schemas.recipe import Recipe, ShardSection
from ..schemas.recording import PlannedRecording
from ..schemas.report import Identity, ShardReport
from .options import RunOptions
from .stage import StageResult, Work, finish_artefact, open_artefact, run_sharded, stage_result

_MOST_LINES = 12


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
        rows = read_plan(store)
        freeze_registrations(store, rows, base_folder(source), recipe.shard)
        counts = Counter(row.shard for row in rows)
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


def freeze_registrations(store: Store, rows: list[PlannedRecording], base: Path, config: ShardSection) -> None:
    """Fit depth to colour once for each (setup, camera), before any worker starts, and say how well it fits."""
    if config.registration == "none" or store.exists(REGISTRATION_FILE):
        return
    registrations = fit_registrations(rows, base, config)
    write_registrations(store, registrations)
    fits, unfit = registrations.fits, registrations.unregistered
    if not fits and not unfit:
        return
    num_places = len(fits) + len(unfit)
    click.echo(f"{SHARDS}: RGB is registered to depth for {len(fits)} of {num_places} (setup, camera)", err=True)
    # the worst first: there may be a hundred
    for fit in sorted(fits, key=lambda fit: -fit.mean_px)[:_MOST_LINES]:
        in_depth = f"{fit.mean_depth_px:.2f}, {fit.median_depth_px:.2f} px of the depth image"
        click.echo(
            f"  S{fit.setup:03d}C{fit.camera:03d} {fit.model}: reprojection error mean {fit.mean_px:.2f} px, median "
            f"{fit.median_px:.2f} px ({in_depth}), {fit.inliers} of {fit.joints} joints, {fit.recordings} recordings",
            err=True,
        )
    if len(fits) > _MOST_LINES:
        click.echo(f"  … and {len(fits) - _MOST_LINES} that fit better, in {REGISTRATION_FILE}", err=True)
    for place in unfit:
        click.echo(f"  S{place.setup:03d}C{place.camera:03d} stays unregistered: {place.reason}", err=True)


def shard_worker(store: Store, dataset: str, base: Path, config: ShardSection) -> Work:
    """The work on one shard: its planned recordings, decoded and written."""
    import cv2

    cv2.setNumThreads(1)

    registrations = read_registrations(store)

    def build(row: PlannedRecording) -> Iterator[Sample]:
        fit = registrations.of(row.recording.setup, row.recording.camera)
        return build_samples(row, dataset, base, config, fit)

    def run(number: int) -> ShardReport:
        return write_tar_shard(store, SHARDS, number, read_planned_shard(store, number), build)

    return run
