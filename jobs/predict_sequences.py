"""`motionpipe predict` of an LSTM: truth, reconstruction and future of test samples in rows, still and moving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from ..models.lstm import SequenceBatch
from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.clip_plan import ClipRef, TrainSample
from ..pipeline.frame_input import RGB_MEAN, RGB_STD
from ..pipeline.hidden_activity import activity_picture, hidden_activity, run_on
from ..pipeline.moving_mnist import SIDE
from ..pipeline.plan import read_plan
from ..pipeline.png import animated_png_bytes, png_bytes
from ..pipeline.predicted_frames import predict_frames
from ..pipeline.sequence_clips import SequenceSource, open_sequences
from ..pipeline.sequence_pictures import sequence_animation, sequence_rows
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.lstm_section import LSTMSection
from .evaluate_prediction import load_predictor, require_predictor
from .learn_lstm import frames_needed
from .pretrain_lstm import sequence_samples
from .report_samples import choose
from .run_files import RunFiles, load_checkpoint
from .trace import find_planned
from .train_data import learner_of, network_of

SHOWN = 3
"""Frames that the future decoder runs on, to see what its units do."""
_PATCH_ZOOM = 2


@dataclass(frozen=True)
class SequencePredictor:
    """A finished run, ready to predict, and the test samples that it may be shown."""

    store: Store
    run: str
    net: Any
    network: LSTMSection
    source: SequenceSource
    samples: tuple[TrainSample, ...]

    def pictures(self, sample: TrainSample, start: int) -> tuple[bytes, bytes]:
        """The rows as PNG, and the animation, of the sequence that begins at frame `start`."""
        needed = frames_needed(self.network)
        if start > sample.num_frames - needed:
            raise MotionpipeError(f"--start {start}: {sample.key} has sequences from 0 to {sample.num_frames - needed}")
        frames = self.source.read(sample, ClipRef(0, start, 0.5, 0.5, flip=False), needed)[:1]
        batch = SequenceBatch(torch.from_numpy(frames))
        truth, made = next(predict_frames(self.net, batch, *_picture_of(self.network)))
        if self.network.input == "patches":
            truth, *zoomed = (_larger(images) for images in (truth, *made.values()))
            made = dict(zip(made, zoomed, strict=True))
        seen = self.network.input_frames
        rows = sequence_rows(truth, made, seen)
        return png_bytes(rows), animated_png_bytes(sequence_animation(truth, made, seen))


def open_sequence_predictor(store: Store, run: str) -> SequencePredictor:
    """The network of a finished run with its test samples; one clear error where it makes nothing to look at."""
    trained = require_predictor(store, run)
    network: LSTMSection = network_of(trained)
    if network.input == "percepts":
        raise MotionpipeError(f"run {run} predicts percepts, which are no pictures; see evaluate --on prediction")
    torch.set_num_threads(1)
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    protocol = resolve_protocol(shards.identity.data["dataset"], trained.identity.data["protocol"])
    samples = sequence_samples(store, shards, protocol, "test", network)
    net = load_predictor(store, run, trained, torch.device("cpu"))
    return SequencePredictor(store, run, net, network, open_sequences(store, network), tuple(samples))


def predict_sequences(store: Store, run: str, key: str | None, start: int | None, out: Path | None) -> None:
    """Write pictures of one sample, or of three test samples, and print where they are."""
    predictor = open_sequence_predictor(store, run)
    if out is not None and key is None:
        raise MotionpipeError("--out is for one picture; choose its sample with --key")
    for sample in [_sample_of(predictor, key)] if key else shown_samples(predictor):
        at = start or 0
        still, moving = predictor.pictures(sample, at)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(still)
            animated = out.with_stem(f"{out.stem}-animated")
            animated.write_bytes(moving)
            click.echo(f"{out}\n{animated}")
            continue
        stem = f"report/predictions/{run}-{sample.key}-{at:04d}"
        for name, data in ((f"{stem}.png", still), (f"{stem}-animated.png", moving)):
            store.write_bytes(name, data)
            click.echo(f"{store.uri}/{name}")
    if key is None and "future" in predictor.network.decoders:
        click.echo(f"{store.uri}/{draw_activity(predictor)}")


def draw_activity(predictor: SequencePredictor) -> str:
    """Hidden units of the future decoder run on, those of the run's untrained weights below."""
    store, run, network = predictor.store, predictor.run, predictor.network
    untrained = load_checkpoint(store, RunFiles(store, run).initial())["model"]
    nets: tuple[Any, Any] = (predictor.net, learner_of(require_predictor(store, run)).restore(network, untrained))
    first = ClipRef(0, 0, 0.5, 0.5, flip=False)
    seen = SequenceBatch(torch.from_numpy(predictor.source.read(predictor.samples[0], first, frames_needed(network))))
    image = activity_picture(
        [hidden_activity(net, seen, run_on(network.future_frames)) for net in nets], network.future_frames
    )
    name = f"report/predictions/{run}-activity.png"
    store.write_bytes(name, png_bytes(image))
    return name


def shown_samples(predictor: SequencePredictor, count: int = SHOWN) -> list[TrainSample]:
    """A few test samples, of different classes where there are classes."""
    by_id = {sample.recording_id: sample for sample in predictor.samples}
    rows = choose([row for row in read_plan(predictor.store) if row.recording_id in by_id], count)
    return [by_id[row.recording_id] for row in rows]


def moving_pictures(predictor: SequencePredictor, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Rows and animations of a few test samples."""
    for sample in shown_samples(predictor, count):
        yield predictor.pictures(sample, 0)


def _sample_of(predictor: SequencePredictor, key: str) -> TrainSample:
    row = find_planned(predictor.store, key)
    own = [sample for sample in predictor.samples if key == sample.key or sample.recording_id == row.recording_id]
    if not own:
        raise MotionpipeError(f"{key} is no test sample that run {predictor.run} can be shown")
    return own[0]


def _picture_of(network: LSTMSection) -> tuple[tuple[int, ...], float, float]:
    """Size of a frame's picture, and the deviation and mean that lead from its values to 0 … 1."""
    if network.input == "moving-mnist":
        return (SIDE, SIDE), 1.0, 0.0
    return (network.patch_px, network.patch_px, 3), RGB_STD, RGB_MEAN


def _larger(images: Any) -> Any:
    return np.repeat(np.repeat(images, _PATCH_ZOOM, axis=1), _PATCH_ZOOM, axis=2)
