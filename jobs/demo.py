"""`motionpipe demo`: the whole chain on a generated RGB-D set, from nothing to a report, without a download."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import click

from ..pipeline.artefacts import SHARDS, read_manifest, read_samples
from ..pipeline.flow_error import FlowError, cell_errors_mm, pooled_error
from ..pipeline.generate_ntu import GeneratedRecording, GeneratorConfig, list_recordings, load_truth, write_recording
from ..pipeline.probes import Kind
from ..pipeline.read_flow import read_flow_cells
from ..pipeline.read_sample import read_meta
from ..pipeline.store import Store
from ..schemas.recipe import Recipe
from .classify import classify, figures_table
from .codebook import codebook
from .embed import embed
from .flow import flow
from .options import RunOptions
from .progress import Progress
from .ray_map import map_shards
from .ray_session import ray_session
from .recipe_files import load_recipe
from .report import report
from .shard import shard
from .stage import StageResult
from .train import train_cluster

GENERATOR = GeneratorConfig(
    subjects=(1, 2, 3, 4, 5, 6, 7, 8),
    actions=(5, 6, 8, 9, 59, 60, 23, 27),
    num_frames=20,
    fps=10.0,
    depth_size=(256, 212),
)
"""Eight subjects, three cameras, eight actions; six of them are three motions played forwards and backwards."""

RECIPE = "atomic-flow/tiny"
_PER_BATCH = 8


@dataclass(frozen=True)
class Row:
    """A line of the closing table."""

    stage: str
    counts: str
    seconds: float


def demo(folder: Path, seeds: int, options: RunOptions) -> None:
    """Generate, shard, flow, codebook, train, embed, classify, report.

    What an earlier call finished in `folder` is not made again.
    """
    recipe = load_recipe(RECIPE)
    store, source = Store.at(str(folder / "store")), folder / "ntu"
    table: list[Row] = []
    began = time.monotonic()
    with ExitStack() as stack:
        if options.workers:
            stack.enter_context(ray_session(options))
        table.append(_generate(source, options))
        table.append(_row("shard", shard(store, recipe, "ntu", source, options)))
        table.append(_row("flow", flow(store, recipe, None, options)))
        table.append(_row("codebook", codebook(store, recipe, None, None, options)))
        error = scene_flow_error(store, "pd", source)
        names = [f"seed{seed}" for seed in range(seeds)]
        for seed, name in enumerate(names):
            table += _learn(store, load_recipe(RECIPE, [f"train.seed={seed}"]), name, options)
    start = time.monotonic()
    figures = [row for name in names for row in _score(store, recipe, name, options)]
    table.append(Row("classify", f"{len(figures)} probes", time.monotonic() - start))
    click.echo("\n" + "\n".join(_table_lines(table, time.monotonic() - began)))
    click.echo("\n" + "\n".join([*figures_table(figures), *_means(figures)]))
    moving, every = error.moving, error.every
    click.echo(
        "\nscene flow from depth and registered RGB, against the truth: mean end-point error "
        f"{moving.mean_mm:.1f} mm on moving cells (they move {moving.zero_mean_mm:.1f} mm), "
        f"{every.mean_mm:.1f} mm on the whole figure"
    )
    report(store)  # its last line is the page's path


def scene_flow_error(store: Store, name: str, source: Path) -> FlowError:
    """Error of a flow artefact over all recordings of a generated set."""
    folder = f"flow/{name}"
    manifest = read_manifest(store, folder, "motionpipe flow")
    cell = int(manifest.identity.section["cell"])
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    frames = {entry.key: (number, entry) for number, entry in read_samples(store, SHARDS, shards)}
    errors = []
    for number, entry in read_samples(store, folder, manifest):
        width, height = read_meta(store, SHARDS, *frames[entry.key])["sizes"]["depth"]
        cells = read_flow_cells(store, folder, number, entry, cell)
        errors.append(cell_errors_mm(cells, load_truth(source, entry.recording_id), cell, (width, height)))
    return pooled_error(errors)


def _generate(source: Path, options: RunOptions) -> Row:
    start = time.monotonic()
    videos = source / "nturgb+d_rgb"  # a recording's video is written last
    recordings = [r for r in list_recordings(GENERATOR) if not (videos / f"{r.recording_id}_rgb.avi").exists()]
    batches = [recordings[i : i + _PER_BATCH] for i in range(0, len(recordings), _PER_BATCH)]
    progress = Progress("generate", len(recordings), "recordings")
    for count in map_shards(partial(_generator, source, batches), range(len(batches)), options):
        progress.add(count)
    progress.close()
    click.echo(f"generate: {len(recordings)} recordings written below {source}")
    return Row("generate", f"{len(list_recordings(GENERATOR))} recordings", time.monotonic() - start)


def _generator(source: Path, batches: list[list[GeneratedRecording]]) -> Any:
    import cv2

    cv2.setNumThreads(1)

    def run(batch: int) -> int:
        for recording in batches[batch]:
            write_recording(source, recording)
        return len(batches[batch])

    return run


def _learn(store: Store, recipe: Recipe, name: str, options: RunOptions) -> list[Row]:
    trained = train_cluster(store, recipe, None, name, options)
    by_frame = recipe.model_copy(update={"embed": recipe.embed.model_copy(update={"per": "frame"})})
    embedded = [*embed(store, recipe, name, None, options), *embed(store, by_frame, name, None, options)]
    rows = sum(result.counts["rows"] for result in embedded)
    return [
        Row(f"train {name}", f"{trained.counts['steps']} steps", trained.seconds),
        Row(f"embed {name}", f"{rows} rows", sum(result.seconds for result in embedded)),
    ]


def _score(store: Store, recipe: Recipe, name: str, options: RunOptions) -> list[dict[str, Any]]:
    probes: tuple[Kind, ...] = ("linear", "knn")
    return [r.info for which in (name, f"{name}-frame") for r in classify(store, recipe, which, probes, options)]


def _means(figures: list[dict[str, Any]]) -> list[str]:
    """Mean and spread over the seeds of each kind of embeddings; nothing for a single seed."""
    top1: dict[str, list[float]] = {}
    for row in figures:
        kind = re.sub(r"^seed\d+", "", row["embeddings"])
        name = {"": "trained", "@init": "untrained", "-frame": "trained, single frames"}.get(
            kind, "untrained, single frames"
        )
        top1.setdefault(f"{row['probe']}, {name}", []).append(row["top1"])
    if all(len(values) == 1 for values in top1.values()):
        return []
    lines = [f"{name:40} {fmean(values):.3f} ± {stdev(values):.3f}" for name, values in sorted(top1.items())]
    return ["", f"top-1, mean and standard deviation over seeds (chance {figures[0]['chance']:.3f}):", *lines]


def _row(stage: str, result: StageResult) -> Row:
    totals = result.counts
    extra = [f"{totals[name]} {name}" for name in ("frames", "pairs") if name in totals]
    counts = f"{totals['read']} read = {totals['written']} written + {totals['rejected']} rejected"
    return Row(stage, ", ".join([counts, *extra]), result.seconds)


def _table_lines(rows: list[Row], seconds: float) -> list[str]:
    width = max(len(row.counts) for row in rows)
    lines = [f"{'stage':14} {'count':{width}} {'seconds':>8}"]
    lines += [f"{row.stage:14} {row.counts:{width}} {row.seconds:8.1f}" for row in rows]
    return [*lines, f"{'all':14} {'':{width}} {seconds:8.1f}"]
