"""`motionpipe shard`: recordings to WebDataset shards under a frozen plan."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from ..pipeline.artefacts import SHARDS
from ..pipeline.datasets import base_folder, index_dataset, is_there, require_source
from ..pipeline.fetch_files import SourcePath
from ..pipeline.moving_mnist_dataset import moving_mnist_builder
from ..pipeline.parquet_files import read_parquet
from ..pipeline.plan import PLAN_FILE, plan_shards, planned_shard_sizes, read_plan, read_planned_shard, write_plan
from ..pipeline.plan_registration import (
    REGISTRATION_FILE,
    fit_registrations,
    read_registrations,
    write_registrations,
)
from ..pipeline.samples import build_samples
from ..pipeline.store import Store
from ..pipeline.write_shard import Sample, ShardWork, write_tar_shard
from ..schemas.recipe import DataSection, Recipe, ShardSection
from ..schemas.recording import Index, PlannedRecording, Recording
from ..schemas.report import Identity
from .artefact_lock import artefact_lock
from .options import RunOptions
from .stage import StageResult, Work, finish_artefact, open_artefact, run_sharded, stage_result

_MOST_LINES = 12


def shard(store: Store, recipe: Recipe, dataset: str, source: SourcePath, options: RunOptions) -> StageResult:
    """Plan once, then decode every recording that is not done."""
    start = time.monotonic()
    if isinstance(source, Path):
        source = source.expanduser().resolve()
    identity = shard_identity(recipe, dataset)
    # index before anything is written: a wrong --source must leave no trace
    index = Index([]) if store.exists(PLAN_FILE) else index_dataset(dataset, source, recipe.data)
    with artefact_lock(store, SHARDS):
        way_out = "use another --store"
        finished = open_artefact(store, SHARDS, identity, recipe, {"source": str(source)}, way_out)
        if not finished:
            require_source(source)
            for note in index.notes:
                click.echo(f"{SHARDS}: {note}", err=True)
            if index.recordings:
                write_plan(store, plan_shards(index.recordings, recipe.shard.recordings_per_shard))
                _say_plan(index.recordings)
            del index  # a million recordings take most of a gigabyte
            freeze_registrations(store, base_folder(source), recipe.shard)
            sizes = planned_shard_sizes(store)
            make_worker = partial(shard_worker, store, dataset, base_folder(source), recipe)
            reports = run_sharded(store, SHARDS, sizes, make_worker, options)
            seconds = round(time.monotonic() - start, 3)
            finish_artefact(store, SHARDS, identity, reports, {"seconds": seconds, "workers": options.workers})
    if finished and is_there(source):
        planned = read_parquet(store, PLAN_FILE, ["recording_id"])["recording_id"].to_pylist()
        _say_changes(set(planned), index_dataset(dataset, source, recipe.data).recordings)
    return stage_result(store, SHARDS, time.monotonic() - start, not finished, options)


def _say_plan(recordings: Sequence[Recording]) -> None:
    """Counts that tell early what later stages can do."""
    labels = {r.label for r in recordings if r.label is not None}
    unlabelled = sum(r.label is None for r in recordings)
    click.echo(
        f"{SHARDS}: {len(recordings)} recordings planned, {len(labels)} classes, {unlabelled} unlabelled", err=True
    )
    for protocol in sorted({name for r in recordings for name in r.splits}):
        parts = Counter(r.splits.get(protocol, "neither") for r in recordings)
        click.echo(f"  {protocol}: {', '.join(f'{parts[p]} {p}' for p in ('train', 'test', 'neither'))}", err=True)
        if not parts["train"] or not parts["test"]:
            click.echo(f"  {protocol} lacks a part: classify will refuse it", err=True)


def _say_changes(planned: set[str], found: Sequence[Recording]) -> None:
    """A finished store does not follow its source; say so where the two differ."""
    now = {recording.recording_id for recording in found}
    if planned != now:
        click.echo(
            f"  the source has changed since: {len(now - planned)} new and {len(planned - now)} gone recordings are "
            "not followed; shard it into another --store",
            err=True,
        )


def shard_identity(recipe: Recipe, dataset: str) -> Identity:
    """What the shards' bytes depend on, besides the source's own bytes."""
    fields = {"limit", "test_fraction", "split_seed"}
    own = {"moving-mnist": "mnist_", "ntu": "ntu_"}.get(dataset)
    if own:
        fields |= {name for name in DataSection.model_fields if name.startswith(own)}
    data = recipe.data.model_dump(mode="json", include=fields)
    return Identity(
        stage="shard", section=recipe.shard.model_dump(mode="json"), data={"dataset": dataset, **data}, parents={}
    )


def freeze_registrations(store: Store, base: SourcePath, config: ShardSection) -> None:
    """Fit depth to colour once for each (setup, camera), before any worker starts, and say how well it fits."""
    if config.registration == "none" or store.exists(REGISTRATION_FILE):
        return
    has_setups = read_parquet(store, PLAN_FILE, ["setup"])["setup"].null_count < sum(planned_shard_sizes(store))
    registrations = fit_registrations(read_plan(store) if has_setups else [], base, config)
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


def shard_worker(store: Store, dataset: str, base: SourcePath, recipe: Recipe) -> Work:
    """The work on one shard: its planned recordings, decoded or generated, and written."""
    import cv2

    cv2.setNumThreads(1)
    if dataset == "moving-mnist":
        build = moving_mnist_builder(dataset, base, recipe.data)
    else:
        registrations = read_registrations(store)

        def build(row: PlannedRecording) -> Iterator[Sample]:
            fit = registrations.of(row.recording.setup, row.recording.camera)
            return build_samples(row, dataset=dataset, base=base, config=recipe.shard, registration=fit)

    return ShardWork(
        items=partial(read_planned_shard, store),
        build=lambda _, row: build(row),
        write=partial(write_tar_shard, store, SHARDS),
    )
