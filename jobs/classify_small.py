"""Classifiers of percepts from few videos: single frames, LSTMs from nothing and from pre-trained encoders, fused.

    python -m motionpipe.jobs.classify_small STORE --percepts NAME --init RUN --per-class 4 --per-class 10 --out FILE

Figure 12 of Srivastava et al. 2015: of each class so many training videos are drawn, ten times, and each classifier is
trained on every draw and tested on the whole test part. One JSON line a classifier and draw goes into FILE; the same
command goes on where it was stopped. With --fuse NAME, scores on a second set of percepts are averaged in, and --init
names a run for each of the two, as RUN+RUN.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..models.lstm_classifier import FrameClassifier, LSTMClassifier
from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.fit_sequences import Network, SequenceFit, fit_sequences, video_scores
from ..pipeline.percept_sequences import Float, read_percepts
from ..pipeline.sequence_clips import MAKE_PERCEPTS
from ..pipeline.small_sets import draw_small_set
from ..pipeline.splits import planned_by_recording, recordings_in, resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.lstm_section import LSTMSection
from .argument_numbers import natural, positive
from .evaluate_prediction import require_predictor
from .learn_atomic_flow import load_encoder
from .provenance import leak_of
from .run_files import load_checkpoint
from .train_data import network_of

FRAME, SCRATCH = "single frame", "lstm"


@dataclass(frozen=True)
class Part:
    """Labelled videos: percepts (T, D) of each set that is read, and class indices."""

    videos: dict[str, list[Float]]
    labels: list[int]


@dataclass(frozen=True)
class Task:
    """What is compared: percepts, the runs that encoders come from, how classifiers are fitted.

    inits: of each pre-trained classifier a run for every set of percepts. hidden: units where there is no run.
    """

    store: Store
    percepts: tuple[str, ...]
    inits: tuple[tuple[str, ...], ...]
    hidden: int
    fit: SequenceFit
    train: Part
    test: Part


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="classify_small", description=__doc__.split("\n")[0])
    parser.add_argument("store", help="store with percepts of every frame")
    parser.add_argument("--percepts", required=True, help="embeddings to read")
    parser.add_argument("--fuse", help="second embeddings, whose scores are averaged with the first's")
    parser.add_argument("--init", action="append", default=[], metavar="RUN", help="run that an encoder starts from")
    parser.add_argument("--hidden", type=positive(int), default=256, help="units of LSTMs where no --init says")
    parser.add_argument("--per-class", type=natural, action="append", required=True, help="videos of a class; 0: all")
    parser.add_argument("--subsets", type=positive(int), default=10, help="draws of each size")
    parser.add_argument("--protocol", help="split [default: the dataset's first]")
    parser.add_argument(
        "--steps", type=positive(int), default=SequenceFit.steps, help="optimiser steps of each classifier"
    )
    parser.add_argument("--batch", type=positive(int), default=SequenceFit.batch, help="windows in an optimiser step")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        compare(given)
    except MotionpipeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on after the last line of --out", file=sys.stderr)
        return 130
    return 0


def compare(given: argparse.Namespace) -> None:
    """Train and test what has no line yet; then the table."""
    store = Store.at(given.store)
    names = (given.percepts, given.fuse) if given.fuse else (given.percepts,)
    if given.fuse == given.percepts:
        raise MotionpipeError(f"--percepts and --fuse both name {given.fuse}; fusing takes two sets")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    dataset = read_manifest(store, SHARDS, "motionpipe shard").identity.data["dataset"]
    protocol = resolve_protocol(dataset, given.protocol)
    train, test = (read_part(store, names, protocol, part) for part in ("train", "test"))
    inits = tuple(runs_of(init, names) for init in given.init)
    fit = SequenceFit(steps=given.steps, batch=given.batch)
    task = Task(store, names, inits, given.hidden, fit, train, test)
    begun = {
        run: require_fit(store, protocol, run, name) for runs in inits for run, name in zip(runs, names, strict=True)
    }
    made = {name: require_unseen(store, protocol, f"embeddings/{name}") for name in names}
    settings = {"percepts": made, "protocol": protocol, "steps": given.steps, "batch": given.batch}
    settings |= {"inits": begun} if begun else {"hidden": given.hidden}
    for per_class in given.per_class:
        for subset in range(given.subsets if per_class else 1):
            for classifier in (FRAME, SCRATCH, *map(pretrained, inits)):
                row = {"classifier": classifier, "per_class": per_class, "subset": subset, **settings}
                if any(row.items() <= there.items() for there in read_lines(given.out)):
                    continue
                row |= score_draw(task, classifier, per_class, subset)
                with given.out.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)
    print("\n".join(table([row for row in read_lines(given.out) if settings.items() <= row.items()])))


def score_draw(task: Task, classifier: str, per_class: int, subset: int) -> dict[str, Any]:
    """Train one classifier on one draw, for each set of percepts, and test it; fused where there are two."""
    drawn = draw_small_set(task.train.labels, per_class or len(task.train.labels), subset)
    classes = sorted(set(task.train.labels))
    place = {label: index for index, label in enumerate(classes)}
    truth = np.array([place.get(label, -1) for label in task.test.labels])
    fit = replace(task.fit, seed=subset)
    scores: dict[str, npt.NDArray[np.float64]] = {}
    for name in task.percepts:
        torch.manual_seed(subset)
        net = make_classifier(task, classifier, name, torch.tensor(classes))
        chosen = [task.train.videos[name][number] for number in drawn]
        fit_sequences(net, chosen, [place[task.train.labels[number]] for number in drawn], fit)
        scores[name] = video_scores(net, task.test.videos[name], fit)
    if len(scores) > 1:
        scores["fused"] = np.mean(list(scores.values()), axis=0)
    top1 = {name: round(float(np.mean(rows.argmax(axis=1) == truth)), 4) for name, rows in scores.items()}
    return {"top1": top1, "n_train": len(drawn), "n_test": len(truth)}


def make_classifier(task: Task, classifier: str, percepts: str, labels: torch.Tensor) -> Network:
    """A classifier of a set of percepts before its training; one from a run has that run's encoder."""
    values = task.train.videos[percepts][0].shape[1]
    if classifier == FRAME:
        return FrameClassifier(values, labels)
    if not task.inits:
        section = LSTMSection(hidden=task.hidden, layers=1, input="percepts", output="gaussian")
        return LSTMClassifier(values, section, labels)
    runs = next((one for one in task.inits if classifier == pretrained(one)), task.inits[0])
    run = runs[task.percepts.index(percepts)]
    trained = require_predictor(task.store, run)
    net = LSTMClassifier(values, network_of(trained), labels)
    if classifier != SCRATCH:
        checkpoint = f"runs/{run}/{trained.shards[0].file}"
        load_encoder(net.encoder, load_checkpoint(task.store, checkpoint)["model"])
    return net


def pretrained(runs: Sequence[str]) -> str:
    """The name of the classifier whose encoders come from these runs."""
    return f"lstm from {'+'.join(runs)}"


def require_fit(store: Store, protocol: str, run: str, percepts: str) -> str:
    """The hash of a run that a classifier of these percepts may begin from; one clear error where it may not."""
    trained = require_predictor(store, run)
    network = network_of(trained)
    if network.percepts != percepts:
        raise MotionpipeError(f"--init {run}: learned from {network.percepts or network.input}, not from {percepts}")
    require_unseen(store, protocol, f"runs/{run}")
    return trained.hash


def require_unseen(store: Store, protocol: str, folder: str) -> str:
    """The hash of a run or of percepts that have seen nothing of the test part; one clear error where they have."""
    made = read_manifest(store, folder, MAKE_PERCEPTS)
    dataset = read_manifest(store, SHARDS, "motionpipe shard").identity.data["dataset"]
    own = made.identity.data.get("protocol")
    if leak := leak_of(planned_by_recording(store), dataset, protocol, made, folder, own):
        raise MotionpipeError(leak)
    return made.hash


def runs_of(init: str, percepts: Sequence[str]) -> tuple[str, ...]:
    """The runs of an --init, one for each set of percepts."""
    runs = tuple(init.split("+"))
    if len(runs) != len(percepts):
        raise MotionpipeError(f"--init {init}: name one run for each of {' and '.join(percepts)}, as RUN+RUN for two")
    return runs


def read_part(store: Store, names: Sequence[str], protocol: str, part: str) -> Part:
    """The labelled videos of a part of the protocol that all sets of percepts hold."""
    plan = planned_by_recording(store)
    chosen = {i for i in recordings_in(plan, protocol, part) if plan[i].recording.label is not None}
    found = {}
    for name in names:
        files = [summary.file for summary in read_manifest(store, f"embeddings/{name}", MAKE_PERCEPTS).shards]
        every = read_percepts(store, f"embeddings/{name}", files)
        found[name] = {key: sequence for key, sequence in every.items() if sequence.recording_id in chosen}
    keys = sorted(set.intersection(*(set(sequences) for sequences in found.values())))
    if not keys:
        raise MotionpipeError(f"the {part} part of {protocol} has no labelled video with percepts")
    labels = [plan[found[names[0]][key].recording_id].recording.label for key in keys]
    videos = {name: [sequences[key].values for key in keys] for name, sequences in found.items()}
    return Part(videos, [label for label in labels if label is not None])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file, none where it is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each classifier and size: mean ± standard deviation over the draws."""
    lines = [f"{'classifier':28} {'videos a class':>14}  top-1 over the draws"]
    for per_class, classifier in dict.fromkeys((row["per_class"], row["classifier"]) for row in rows):
        of = [row["top1"] for row in rows if (row["per_class"], row["classifier"]) == (per_class, classifier)]
        figures = [f"{name} {_spread([top1[name] for top1 in of])}" for name in of[0]]
        lines.append(f"{classifier:28} {per_class or 'all':>14}  {', '.join(figures)} ({len(of)} draws)")
    return lines


def _spread(values: list[float]) -> str:
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
