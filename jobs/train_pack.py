"""Experiments from a pack, on a machine with torch and NumPy alone: pre-train, probe, fine-tune and test, over seeds.

    python -m motionpipe.jobs.train_pack PACK --out DIR --variant none --variant 8-step=pd-kmeans-64 \\
        --variant 3-step=pd-kmeans-64,atomic_flow.steps=3 --seeds 3 --set train.epochs=20

Each variant names its codebook and what it changes; `none` has no pre-training ("architecture only"). One JSON line a
run goes into DIR/results.jsonl. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from ..models import atomic_flow
from ..pipeline.clip_plan import TrainSample
from ..pipeline.logistic import choose_strength, fit_logistic
from ..pipeline.metrics import Metrics, average_by_recording, score
from ..pipeline.pack import Pack, PackedClips, read_pack
from ..pipeline.score_clips import ClipScorer
from ..pipeline.store import Store
from ..pipeline.train_samples import TrainSamples
from ..schemas.errors import MotionpipeError
from .argument_numbers import positive
from .learner import Learner
from .learners import LEARNERS
from .metrics_log import read_metrics
from .run_files import RunFiles, load_checkpoint
from .train_job import LoopOptions, TrainJob
from .train_loop import Worker, train

FIXED = ("frame_short_side", "crop", "cell", "modality", "code_side", "deconv_widths")
"""Fields of `[atomic_flow]` that the pack was made for."""


@dataclass(frozen=True)
class Variant:
    """A row of the experiment; book: None = no pre-training. changes: section.field to its value."""

    name: str
    book: str | None
    changes: dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    pack: Pack
    clips: PackedClips
    store: Store
    changes: dict[str, Any]
    device: torch.device
    options: LoopOptions

    def section(self, name: str, changes: dict[str, Any]) -> Any:
        """A section of the pack's recipe with the changes that concern it."""
        return changed_section(self.pack.meta[name], name, self.changes | changes)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="train_pack", description=__doc__.split("\n")[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and results.jsonl")
    parser.add_argument("--variant", action="append", required=True, metavar="none|NAME=BOOK[,SECTION.FIELD=VALUE…]")
    parser.add_argument("--seeds", type=positive(int), default=1, help="runs of each variant, seeds 0, 1, …")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.FIELD=VALUE", dest="assignments")
    parser.add_argument("--readers", type=positive(int), default=1, help="threads that read clips ahead")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks; other last bits")
    given = parser.parse_args(arguments)
    try:
        experiment(given)
    except MotionpipeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def experiment(given: argparse.Namespace) -> None:
    """All variants and seeds that have no line in results.jsonl yet; then the table."""
    pack = read_pack(given.pack)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options = LoopOptions(readers=given.readers, compiled=given.compile, events=False)
    changes = dict(map(parse_assignment, given.assignments))
    bench = Bench(pack, PackedClips(pack), Store.at(str(given.out)), changes, device, options)
    variants = [parse_variant(text, pack) for text in given.variant]
    results = given.out / "results.jsonl"
    for row in read_results(results):
        _require_same(bench, variants, row, results)
    for seed in range(given.seeds):
        for variant in variants:
            if (variant.name, seed) not in {(row["variant"], row["seed"]) for row in read_results(results)}:
                row = run_variant(bench, variant, seed)
                with results.open("a") as stream:
                    stream.write(json.dumps(row, sort_keys=True) + "\n")
                print(json.dumps(row, sort_keys=True), flush=True)
    print("\n".join(summary_lines(read_results(results))))


def run_variant(bench: Bench, variant: Variant, seed: int) -> dict[str, Any]:
    """Pre-train, probe, fine-tune, test: the figures of one line."""
    name, began = f"{variant.name}-s{seed}", time.monotonic()
    row: dict[str, Any] = {"variant": variant.name, "seed": seed, **_settings(bench, variant)}
    network = bench.section("atomic_flow", variant.changes)
    schedule = bench.section("train", variant.changes | {"train.seed": seed})
    finetune = bench.section("finetune", variant.changes | {"finetune.seed": seed})
    init = None
    if variant.book:
        job = TrainJob(
            store=bench.store,
            run=name,
            learner="atomic-flow",
            made_from=_made_from(bench.pack, variant, [vars(network), vars(schedule)]),
            network=network,
            train=schedule,
            cell=network.cell,
            flow_folder="pack",
            codebook=bench.pack.books[variant.book],
        )
        with_flow = [p.sample for p in bench.pack.samples if p.flow is not None]
        row["pretrain"] = _train(bench, job, TrainSamples.split(with_flow, schedule.holdout, schedule.seed))
        init = (bench.store, RunFiles(bench.store, name).checkpoints()[-1])
        row["probe"] = _probe(bench, network, init)
        row["probe_untrained"] = _probe(bench, network, (bench.store, RunFiles(bench.store, name).initial()))
    learned = bench.pack.part("train")
    tuned = TrainJob(
        store=bench.store,
        run=f"{name}-tuned",
        learner="atomic-flow/classify",
        made_from=_made_from(bench.pack, variant, [vars(network), vars(schedule), vars(finetune)]),
        network=network,
        train=schedule,
        cell=network.cell,
        finetune=finetune,
        labels=tuple(sorted({sample.label for sample in learned})),
        init=init,
    )
    row["finetune"] = _train(bench, tuned, TrainSamples.split(learned, finetune.holdout, finetune.seed))
    row["test"] = _test(bench, tuned)
    return row | {"seconds": round(time.monotonic() - began, 1)}


def _settings(bench: Bench, variant: Variant) -> dict[str, Any]:
    """What the figures of a variant follow from, beside the seed."""
    made_from = [bench.pack.meta["shards"], bench.pack.meta["flow"]]
    return {"pack": made_from, "book": variant.book, "changes": bench.changes | variant.changes}


def _require_same(bench: Bench, variants: list[Variant], row: dict[str, Any], results: Path) -> None:
    """Raise where a line of an asked variant is there that was made otherwise: no table is of two experiments."""
    for variant in variants:
        settings = _settings(bench, variant)
        there = {name: row.get(name) for name in settings}
        if row["variant"] == variant.name and there != settings:
            raise MotionpipeError(
                f"{results} has {variant.name} of {json.dumps(there)}, this command asks for {json.dumps(settings)}; "
                "name it otherwise, or use another --out"
            )


def changed_section(values: dict[str, Any], name: str, changes: dict[str, Any]) -> Any:
    """A recipe's section as a namespace, with `name.field` of the changes; MotionpipeError where a field is unknown."""
    own = {field.partition(".")[2]: value for field, value in changes.items() if field.startswith(f"{name}.")}
    unknown = sorted(set(own) - set(values))
    if unknown:
        raise MotionpipeError(f"unknown key {name}.{unknown[0]}; known here: {', '.join(values)}")
    fixed = sorted(set(own) & set(FIXED)) if name == "atomic_flow" else []
    if fixed:
        raise MotionpipeError(f"atomic_flow.{fixed[0]} is what the pack was made for; pack again with another")
    merged = {**values, **own}
    if "global_batch" in merged and merged["global_batch"] % merged["micro_batch"]:
        raise MotionpipeError(f"{name}.global_batch must be a multiple of {name}.micro_batch")
    if merged.get("patience") is not None and not merged["holdout"]:
        raise MotionpipeError(f"{name}.patience watches the held-out loss: set {name}.holdout too, for example 0.1")
    return SimpleNamespace(**merged)


def parse_assignment(text: str) -> tuple[str, Any]:
    """ "atomic_flow.steps=3" to its field and value."""
    field, equals, value = text.partition("=")
    if not equals or "." not in field:
        raise MotionpipeError(f"{text}: expected section.field=value, for example train.seed=1")
    try:
        return field.strip(), json.loads(value)
    except ValueError:
        return field.strip(), value


def parse_variant(text: str, pack: Pack) -> Variant:
    """ "none", or "NAME=BOOK,section.field=value,…"."""
    if text == "none":
        return Variant("none", None, {})
    name, _, rest = text.partition("=")
    book, *assignments = rest.split(",")
    if book not in pack.books:
        raise MotionpipeError(f"--variant {text}: the pack has the codebooks {', '.join(pack.books)}, not {book!r}")
    return Variant(name, book, dict(map(parse_assignment, assignments)))


def read_results(path: Path) -> list[dict[str, Any]]:
    """The lines that are there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def summary_lines(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each variant: mean ± standard deviation over its seeds."""
    lines = [f"{'variant':16} seeds  fine-tuned          probe               probe, untrained"]
    for name in dict.fromkeys(row["variant"] for row in rows):
        of = [row for row in rows if row["variant"] == name]
        figures = [[row[what]["top1"] for row in of if what in row] for what in ("test", "probe", "probe_untrained")]
        lines.append(f"{name:16} {len(of):5}  " + "  ".join(f"{_spread(values):18}" for values in figures).rstrip())
    return lines


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _made_from(pack: Pack, variant: Variant, sections: list[dict[str, Any]]) -> str:
    return json.dumps([pack.meta["shards"], pack.meta["flow"], variant.book, sections], sort_keys=True)


def _train(bench: Bench, job: TrainJob, samples: TrainSamples) -> dict[str, Any]:
    """Train to the end; the last row of metrics, and the mean of what the last ten say of speed."""
    train(Worker(job, samples, bench.clips, bench.device, bench.options))
    rows = read_metrics(job.store, f"runs/{job.run}")
    speed = {name: round(fmean(row[name] for row in rows[-10:]), 4) for name in ("clips_per_s", "data_wait")}
    return rows[-1] | speed


def _scorer(bench: Bench, learner: Learner, network: Any, forward: Any, clip_frames: int, num_clips: int) -> ClipScorer:
    return ClipScorer(
        cut=lambda sample: learner.cut(network, sample, num_clips, clip_frames),
        show=lambda sample, numbers: learner.show(network, bench.clips, sample, numbers),
        forward=forward,
        batch=bench.pack.meta["evaluate"]["batch"],
        device=bench.device,
    )


def _test(bench: Bench, job: TrainJob) -> dict[str, Any]:
    """Figures of the test part, clips averaged by recording."""
    assert job.finetune is not None
    learner = LEARNERS[job.learner]
    state = load_checkpoint(job.store, RunFiles(job.store, job.run).checkpoints()[-1])
    net = learner.restore(job.network, state["model"]).to(bench.device)
    num_clips = bench.section("evaluate", {}).num_clips
    scorer = _scorer(bench, learner, job.network, net, job.finetune.clip_frames, num_clips)
    return _figures(bench.pack.part("test"), scorer.scores, np.array(job.labels))


def _probe(bench: Bench, network: Any, checkpoint: tuple[Store, str]) -> dict[str, Any]:
    """A linear probe on the frozen encoder's features: fitted on the training part, figures of the test part."""
    learner = LEARNERS["atomic-flow"]
    net: Any = learner.restore(network, load_checkpoint(*checkpoint)["model"]).to(bench.device)
    embed, grid = bench.section("embed", {}), bench.section("classify", {}).c_grid
    features = partial(atomic_flow.features, net, pool_grid=embed.pool_grid)
    scorer = _scorer(bench, learner, network, features, embed.clip_frames, embed.num_clips)
    samples = bench.pack.part("train")
    rows = [scorer.rows(sample) for sample in samples]
    owners = [sample for sample, own in zip(samples, rows, strict=True) for _ in own]
    x, labels = np.concatenate(rows), np.array([sample.label for sample in owners], dtype=np.int64)
    ids, groups = [sample.recording_id for sample in owners], [sample.group for sample in owners]
    strength = choose_strength(x, labels, ids, groups, grid)
    probe = fit_logistic(x, labels, strength)
    figures = _figures(bench.pack.part("test"), lambda s: probe.scores(scorer.rows(s)), probe.classes)
    return figures | {"C": strength}


def _figures(samples: list[TrainSample], scores_of: Any, classes: Any) -> dict[str, Any]:
    rows = [scores_of(sample) for sample in samples]
    ids = [sample.recording_id for sample, own in zip(samples, rows, strict=True) for _ in own]
    recordings, scores = average_by_recording(np.concatenate(rows), ids)
    label_of = {sample.recording_id: sample.label for sample in samples}
    metrics: Metrics = score(scores, np.array([label_of[r] for r in recordings], dtype=np.int64), classes)
    return asdict(metrics) | {"confusion": metrics.confusion.tolist()}


if __name__ == "__main__":
    sys.exit(main())
