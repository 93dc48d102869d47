"""`motionpipe evaluate --run A --with B`: two classifiers, their scores of each recording added up."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
import numpy as np

from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.clip_plan import TrainSample
from ..pipeline.fuse_scores import best_share, fuse_scores
from ..pipeline.parquet_files import read_parquet
from ..pipeline.store import Store
from ..pipeline.train_samples import samples_from_bytes
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe, canonical_hash
from ..schemas.report import Identity, Manifest
from .artefact_lock import artefact_lock
from .evaluate import (
    FILES,
    MADE_BY,
    Scored,
    Task,
    evaluate_quietly,
    evaluations,
    finish,
    score_samples,
    scored_protocol,
    write_figures,
)
from .evaluation_table import evaluation_table
from .options import RunOptions
from .run_files import RunFiles
from .stage import StageResult, open_artefact

HELD_OUT = "held-out"


def evaluate_fused(
    store: Store,
    recipe: Recipe,
    runs: tuple[str, str],
    weights: str,
    protocol: str | None,
    options: RunOptions,
    allow_leak: bool = False,
) -> StageResult:
    """Score both runs, where that is not done yet, then their sum; all three are saved and shown.

    weights: "1:1", or "held-out": the weight that does best on the recordings which both runs held out of training.
    """
    start, share = time.monotonic(), share_of(weights)
    weights = weights if share is None else f"{1 - share:g}:{share:g}"  # 2:2 is 1:1
    if runs[0] == runs[1]:
        raise MotionpipeError(f"--run and --with both name {runs[0]}; fusing takes two runs")
    parts = [evaluate_quietly(store, recipe, run, protocol, options, allow_leak) for run in runs]
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    trained = [read_manifest(store, RunFiles(store, run).folder, MADE_BY) for run in runs]
    asked, place = parts[0].info["protocol"], parts[0].name.rsplit("/", 1)[-1]
    scored = [read_scores(store, part.name) for part in parts]
    labels = trained[0].identity.data["labels"]
    if labels != trained[1].identity.data["labels"] or scored[0].recordings != scored[1].recordings:
        raise MotionpipeError(f"runs {runs[0]} and {runs[1]} do not score the same classes of the same recordings")
    dataset = shards.identity.data["dataset"]
    plans = [scored_protocol(store, dataset, asked, run, one) for run, one in zip(runs, trained, strict=True)]
    plan = replace(plans[0], leak=plans[0].leak or plans[1].leak)
    held_out = _held_out(store, runs) if share is None else []
    folder = f"evaluations/{runs[0]}+{runs[1]}/{place}"
    identity = Identity(
        stage="evaluate",
        section=recipe.evaluate.model_dump(mode="json", include={"num_clips", "crops", "average"}),
        data={"protocol": asked, "weights": weights},
        parents={
            "shards": shards.hash,
            **{
                name: read_manifest(store, part.name, "motionpipe evaluate").hash
                for name, part in zip(("first", "second"), parts, strict=True)
            },
        },
    )
    with artefact_lock(store, folder):
        info = {"first": runs[0], "second": runs[1]}
        finished = open_artefact(store, folder, identity, recipe, info, f"remove {folder} to fuse them anew")
        if not finished:
            if share is None:
                share = _held_out_share(store, recipe, runs, trained, held_out, options)
                click.echo(f"  weights {1 - share:g}:{share:g}, the best on held-out training recordings")
            fused = fuse_scores(scored[0].scores, scored[1].scores, share)
            both = Scored(scored[0].recordings, scored[0].labels, fused, sum(part.clips for part in scored))
            write_figures(store, folder, plan, both, labels, _about(parts, share, weights))
            finish(store, folder, FILES, identity, {"seconds": round(time.monotonic() - start, 3)})
    record = json.loads(store.read_bytes(f"{folder}/metrics.json"))
    click.echo("\n".join(evaluation_table(evaluations(store, asked))))
    return StageResult(folder, {}, time.monotonic() - start, not finished, max(p.exit_code for p in parts), record)


def share_of(weights: str) -> float | None:
    """The second run's share of "A:B", or None where it is to be chosen on held-out recordings."""
    if weights == HELD_OUT:
        return None
    first, colon, second = weights.partition(":")
    try:
        values = (float(first), float(second))
    except ValueError:
        values = (-1.0, -1.0)
    if not colon or min(values) < 0 or not 0 < sum(values) < float("inf"):
        raise MotionpipeError(f"--weights {weights}: expected two numbers such as 1:1 or 2:1, or {HELD_OUT}")
    return values[1] / sum(values)


def read_scores(store: Store, folder: str) -> Scored:
    """What a finished evaluation says of each recording."""
    table = read_parquet(store, f"{folder}/predictions.parquet")
    return Scored(
        recordings=table["recording_id"].to_pylist(),
        labels=np.array(table["label"].to_pylist(), dtype=np.int64),
        scores=np.array(table["scores"].to_pylist(), dtype=np.float64),
        clips=int(json.loads(store.read_bytes(f"{folder}/metrics.json"))["clips"]),
    )


def _about(parts: list[StageResult], share: float, weights: str) -> dict[str, Any]:
    """The record's words; runs that differ by their seeds alone stand together as their parts do."""
    records: list[dict[str, Any]] = [part.info for part in parts]
    return {
        "run": "+".join(str(record["run"]) for record in records),
        "init": f"{1 - share:g}:{share:g} {weights if weights == HELD_OUT else ''}".strip(),
        "init_protocol": records[0]["init_protocol"],
        "seed": records[0]["seed"],
        "crops": records[0].get("crops", 1),
        "n_train": min(record["n_train"] for record in records),
        "settings": canonical_hash([*(record["settings"] for record in records), weights]),
    }


def _held_out(store: Store, runs: tuple[str, str]) -> list[Sequence[TrainSample]]:
    """The samples that each run held out; one clear error where they are none, or not the same."""
    held: list[Sequence[TrainSample]] = [
        samples_from_bytes(store.read_bytes(f"runs/{run}/samples.npz")).held_out for run in runs
    ]
    if not held[0] or [s.key for s in held[0]] != [s.key for s in held[1]]:
        raise MotionpipeError(
            f"--weights {HELD_OUT} needs recordings that both runs held out: train both with the same "
            "finetune.holdout (for example 0.1) and finetune.seed"
        )
    return held


def _held_out_share(
    store: Store,
    recipe: Recipe,
    runs: tuple[str, str],
    trained: list[Manifest],
    held: list[Sequence[TrainSample]],
    options: RunOptions,
) -> float:
    """The share that does best on recordings that neither run learned from, of the training split alone."""
    scored = []
    for run, manifest, samples in zip(runs, trained, held, strict=True):
        by_shard: dict[int, list[TrainSample]] = {}
        for sample in samples:
            by_shard.setdefault(sample.shard, []).append(sample)
        task = Task(store, run, manifest, recipe.evaluate, by_shard)
        scored.append(score_samples(task, f"runs/{run} held out", options))
    classes = np.array(trained[0].identity.data["labels"], dtype=np.int64)
    return best_share(scored[0].scores, scored[1].scores, scored[0].labels, classes)
