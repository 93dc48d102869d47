"""`motionpipe train-cluster --model lstm`: what a run learns from, and its identity."""

from __future__ import annotations

from typing import Any

import click

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest, read_report
from ..pipeline.clip_plan import TrainSample
from ..pipeline.sequence_clips import MAKE_PERCEPTS
from ..pipeline.splits import planned_by_recording, recordings_in
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.lstm_section import LSTMSection
from ..schemas.recipe import Recipe
from ..schemas.report import Manifest
from .ground import Ground, open_shards, pretraining
from .learn_lstm import MODALITIES, frames_needed
from .options import RunOptions
from .run_training import run_training
from .stage import StageResult
from .train_data import can_be_read, sample_of
from .train_job import LoopOptions

SEEN: dict[str, Any] = {"step_s": 0.1, "stride": 1, "cell": 4}
"""The fields of `[flow]` that clips are cut by: an LSTM reads every frame, and no flow."""


def pretrain_lstm(
    store: Store, recipe: Recipe, book: str | None, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Pre-train `run` to its last epoch, from wherever it stands."""
    if book is not None:
        raise MotionpipeError("--codebook is for models that predict codewords; an lstm predicts frames")
    shards, protocol = open_shards(store, recipe, recipe.train, options)
    network, reads = resolve_input(store, recipe.lstm)
    resolved = recipe.model_copy(update={"lstm": network})
    stated = network.model_dump(mode="json")
    ground = Ground(store, run, shards, protocol, resolved, network, stated, SEEN, *as_parents(reads))
    job, artefact = pretraining(ground)
    samples = sequence_samples(store, shards, protocol, "train", network)
    return run_training(job, samples, artefact, options, loop)


def resolve_input(store: Store, network: LSTMSection) -> tuple[LSTMSection, Manifest | None]:
    """The network with the name of the embeddings that it reads, and their manifest, if it reads any."""
    if network.input != "percepts":
        return network, None
    name = network.percepts or only_artefact(store, "embeddings", "--set lstm.percepts", MAKE_PERCEPTS)
    manifest = read_manifest(store, f"embeddings/{name}", MAKE_PERCEPTS)
    return network.model_copy(update={"percepts": name}), manifest


def as_parents(embeddings: Manifest | None) -> tuple[dict[str, str], tuple[Manifest, ...]]:
    """`parents` and `reads` of a run's ground."""
    return ({"embeddings": embeddings.hash}, (embeddings,)) if embeddings else ({}, ())


def sequence_samples(
    store: Store, shards: Manifest, protocol: str, part: str, network: LSTMSection
) -> list[TrainSample]:
    """Samples of a part that have the input's stream and are long enough; one clear error where there are none."""
    plan = planned_by_recording(store)
    chosen, needed, stream = recordings_in(plan, protocol, part), frames_needed(network), MODALITIES[network.input]
    usable, left_out = list[TrainSample](), 0
    for summary in shards.shards:
        for entry in read_report(store, SHARDS, summary.shard).samples:
            if entry.recording_id not in chosen:
                continue
            if not can_be_read(entry, stream) or entry.num_frames < needed:
                left_out += 1
                continue
            usable.append(sample_of(summary.shard, entry.model_copy(update={"stride": 1}), plan[entry.recording_id]))
    if not usable:
        words = "generated" if stream == "frames" else stream
        raise MotionpipeError(
            f"none of the {left_out} {part} samples of {protocol} has {needed} {words} frames; see lstm.input, "
            "lstm.input_frames and lstm.future_frames"
        )
    if left_out:
        click.echo(f"  {left_out} of {left_out + len(usable)} {part} samples have fewer than {needed} frames", err=True)
    return usable
