"""`motionpipe predict`: pictures of what a run predicts for recordings that it has not seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest
from ..pipeline.clip_plan import TrainSample, moving_starts
from ..pipeline.plan import read_plan
from ..pipeline.predicted_flow import predict_flow
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..pipeline.stored_clips import StoredClips
from ..schemas.errors import MotionpipeError
from ..schemas.recording import PlannedRecording
from ..schemas.report import Manifest
from .flow import MADE_BY as MAKE_FLOW
from .predict_synthesis import Synthesiser, open_synthesiser
from .prediction_figure import ShownPrediction, prediction_png
from .report_samples import choose
from .run_files import RunFiles, load_checkpoint
from .trace import find_planned
from .train_data import flow_of, learner_of, network_of, sort_flow_samples

MADE_BY = "motionpipe train-cluster --name …"
SEE_FLOW = "motionpipe evaluate --on flow --run"


@dataclass(frozen=True)
class Predictor:
    """A finished pre-training run, ready to predict, and the test samples that it may be shown."""

    store: Store
    run: str
    trained: Manifest
    clips: StoredClips
    net: Any
    samples: tuple[TrainSample, ...]
    unit: str

    def picture(self, sample: TrainSample, planned: PlannedRecording, start: int | None) -> tuple[int, bytes]:
        """Its start and its PNG; the start is by default that after which most moves."""
        config = network_of(self.trained)
        if start is None:
            start = _before_most_motion(sample, config.steps, config.from_pair)
        elif start >= sample.num_starts:
            raise MotionpipeError(f"--start {start}: {sample.key} has clips from frames 0 to {sample.num_starts - 1}")
        clip = predict_flow(self.net, self.clips, sample, start, config)
        step_ms, label = 1000 * sample.stride / self.clips.fps(sample), planned.recording.label_name or ""
        return start, prediction_png(
            ShownPrediction(self.run, sample.key, label, step_ms, self.unit, config.from_pair, clip)
        )


Pictured = Predictor | Synthesiser
"""What draws a test sample: with `picture`, `samples`, and whose they are."""


def predict(store: Store, run: str | None, key: str | None, start: int | None, out: Path | None) -> None:
    """Write a picture of one sample, or of three test samples, and print where they are."""
    run = run or only_artefact(store, "runs", "--run", MADE_BY)
    if read_manifest(store, RunFiles(store, run).folder, MADE_BY).identity.data["model"] == "lstm":
        from .predict_sequences import predict_sequences

        predict_sequences(store, run, key, start, out)
        return
    predictor = open_predictor(store, run)
    rows = [find_planned(store, key)] if key else _shown_rows(predictor, 3)
    if not rows:
        raise MotionpipeError(f"run {predictor.run}: no test sample has what it predicts from")
    if out is not None and len(rows) > 1:
        raise MotionpipeError("--out is for one picture; choose its sample with --key")
    for row in rows:
        sample = _sample_of(predictor, row, key)
        at, png = predictor.picture(sample, row, start)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(png)
            click.echo(str(out))
        else:
            name = f"report/predictions/{predictor.run}-{sample.key}-{at:04d}.png"
            store.write_bytes(name, png)
            click.echo(f"{store.uri}/{name}")


def open_predictor(store: Store, run: str) -> Pictured:
    """The network of a finished run with its test samples; one clear error where it predicts nothing."""
    trained = read_manifest(store, RunFiles(store, run).folder, MADE_BY)
    if trained.identity.data["model"] == "cgm-net":
        return open_synthesiser(store, run, trained)
    if trained.identity.stage != "train":
        raise MotionpipeError(f"run {run} is a classifier; predict takes a pre-training run")
    if trained.identity.data["model"] == "uf-tsn":
        raise MotionpipeError(f"run {run} estimates flow and predicts none; to see it: {SEE_FLOW} {run}")
    flow_name = json.loads(store.read_bytes(f"runs/{run}/identity.json"))["info"]["flow"]
    flow = read_manifest(store, f"flow/{flow_name}", MAKE_FLOW)
    dataset = read_manifest(store, SHARDS, "motionpipe shard").identity.data["dataset"]
    protocol = resolve_protocol(dataset, trained.identity.data["protocol"])
    config = network_of(trained)
    samples, _ = sort_flow_samples(store, flow_name, flow, protocol, config, "test")
    state = load_checkpoint(store, f"{RunFiles(store, run).folder}/{trained.shards[0].file}")
    torch.set_num_threads(1)
    net = learner_of(trained).restore(config, state["model"])
    clips = StoredClips(store, f"flow/{flow_name}", flow_of(trained).cell, config)
    return Predictor(store, run, trained, clips, net, tuple(samples), _unit(flow))


def pictures(predictor: Pictured, count: int) -> Iterator[bytes]:
    """PNGs of a few test samples of different classes."""
    for row in _shown_rows(predictor, count):
        yield predictor.picture(_sample_of(predictor, row, None), row, None)[1]


def _shown_rows(predictor: Pictured, count: int) -> list[PlannedRecording]:
    known = {sample.recording_id for sample in predictor.samples}
    return choose([row for row in read_plan(predictor.store) if row.recording_id in known], count)


def _sample_of(predictor: Pictured, row: PlannedRecording, key: str | None) -> TrainSample:
    """The sample that `key` names; of a recording in segments its first where the key is the recording's."""
    own = [sample for sample in predictor.samples if sample.recording_id == row.recording_id]
    if not own:
        raise MotionpipeError(
            f"{row.key} is no test sample of {predictor.trained.identity.data['protocol']} that it can use, and a "
            "network is not judged by what it was trained on"
        )
    named = [sample for sample in own if sample.key == key]
    if not named and key not in (None, row.key, row.recording_id, row.path):
        raise MotionpipeError(f"run {predictor.run} predicts of {row.key} {', '.join(s.key for s in own)}, not {key}")
    return (named or own)[0]


def _before_most_motion(sample: TrainSample, steps: int, from_pair: bool) -> int:
    def motion(start: int) -> float:
        return float(sample.motion[sample.future_pairs(start, steps, from_pair)].mean())

    return max(moving_starts(sample, steps, from_pair), key=motion)


def _unit(flow: Manifest) -> str:
    return "m" if flow.identity.section["method"] == "pd" else "px"
