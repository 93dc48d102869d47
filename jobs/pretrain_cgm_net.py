"""`motionpipe train-cluster --model cgm-net`: what a run learns from, and its identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..pipeline.artefacts import SHARDS, read_report
from ..pipeline.clip_plan import TrainSample
from ..pipeline.read_sample import has_stream
from ..pipeline.splits import planned_by_recording, recordings_in
from ..pipeline.store import Store
from ..schemas.cgm_net import CgmNetSection
from ..schemas.errors import MotionpipeError
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe
from ..schemas.report import Manifest
from ..schemas.training import LoopSection
from .cgm_net_table import echo_costs
from .ground import Ground, open_shards, pretraining, require_classes
from .options import RunOptions
from .public_weights import weights_stated
from .run_training import run_training
from .stage import StageResult
from .train_data import FLOW_SEEN, sample_of
from .train_job import LoopOptions

ENCODER_CELL_PX = 32
"""Side of the picture that a cell of the encoder's last stage stands for."""


def pretrain_cgm_net(
    store: Store, recipe: Recipe, run: str, options: RunOptions, loop: LoopOptions, weights: Path | None = None
) -> StageResult:
    """Train `run` to its last epoch, from wherever it stands; with lambda_class > 0 on labels too.

    weights: a file of public weights that the encoder or the context extractor begins with.
    """
    shards, protocol = open_shards(store, recipe, recipe.train, options)
    config = recipe.cgm_net
    if not config.synthesises and not config.lambda_class:
        raise MotionpipeError("cgm_net.lambda_hr, lambda_lr and lambda_class are all 0: nothing would be learned")
    require_batch(config, recipe.train)
    samples = rgb_samples(store, shards, protocol, "train", config)
    labels: tuple[int, ...] = ()
    if config.lambda_class > 0:
        labels = require_classes([sample for sample in samples if sample.label >= 0], protocol)
        echo_costs(config, len(labels))
    stated = config.model_dump(mode="json")
    ground = Ground(store, run, shards, protocol, recipe, config, stated, clip_steps(config))
    told, given = weights_stated(weights)
    job, artefact = pretraining(ground, data={"labels": list(labels)} | told, labels=labels, **given)
    return run_training(job, samples, artefact, options, loop)


def require_batch(config: CgmNetSection, loop: LoopSection) -> None:
    """Raise where batch norm would see a single value: one clip, whose features are one cell."""
    if loop.micro_batch == 1 and config.crop <= ENCODER_CELL_PX and not config.backbone.startswith("slowfast"):
        raise MotionpipeError(
            f"crops of {config.crop} px are one cell of the encoder, too few for batch norm: set micro_batch=2 or more"
        )


def clip_steps(config: CgmNetSection) -> dict[str, Any]:
    """How far apart the frames of clips are, as the fields of `[flow]` that every run states."""
    return FlowSection(stride=config.frame_step).model_dump(mode="json", include=set(FLOW_SEEN))


def rgb_samples(store: Store, shards: Manifest, protocol: str, part: str, config: CgmNetSection) -> list[TrainSample]:
    """Samples of a part of the protocol that have a pair of RGB frames; one clear error where there are none."""
    plan = planned_by_recording(store)
    chosen, usable, left_out = recordings_in(plan, protocol, part), [], 0
    for summary in shards.shards:
        for entry in read_report(store, SHARDS, summary.shard).samples:
            if entry.recording_id not in chosen:
                continue
            if has_stream(entry, "rgb") and entry.num_frames > config.frame_step:
                at = entry.model_copy(update={"stride": config.frame_step})
                usable.append(sample_of(summary.shard, at, plan[entry.recording_id]))
            else:
                left_out += 1
    if not usable:
        raise MotionpipeError(
            f"none of the {left_out} samples of the {part} part of {protocol} has a pair of RGB frames"
        )
    if left_out:
        click.echo(f"  {left_out} of {left_out + len(usable)} samples have no pair of RGB frames", err=True)
    return usable
