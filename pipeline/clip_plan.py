"""Which clips a training run sees, in which order: arithmetic on the seed, the same for every number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..schemas.recipe import TrainSection
from ..schemas.report import SampleEntry


@dataclass(frozen=True)
class TrainSample:
    """A training sample: its shard, its frames and its flow."""

    shard: int
    frames: SampleEntry
    flow: SampleEntry

    @property
    def stride(self) -> int:
        """Frames between the two of a flow pair."""
        assert self.flow.stride is not None
        return self.flow.stride

    @property
    def num_starts(self) -> int:
        """First frames t of clips that have both input frames and at least one flow after them."""
        return max(0, self.frames.num_frames - 2 * self.stride)

    def future_pairs(self, start: int, steps: int) -> list[int]:
        """Flow pairs t + s, t + 2s, … of a clip that begins at frame `start`, as far as the recording goes."""
        last = self.frames.num_frames - 1 - self.stride
        return [pair for k in range(1, steps + 1) if (pair := start + k * self.stride) <= last]


@dataclass(frozen=True)
class ClipRef:
    """One training clip: sample, first frame, place of the crop (fractions of the room it has), mirrored or not."""

    sample: int
    start: int
    crop_y: float
    crop_x: float
    flip: bool


def plan_epoch(samples: Sequence[TrainSample], epoch: int, config: TrainSection) -> list[list[list[ClipRef]]]:
    """Optimiser steps of an epoch, each a list of micro-batches of clips.

    Every sample comes once before any comes twice. What does not fill a last step is left out, so that every worker
    gets equally many; at least one step is made.
    """
    if not samples:
        return []
    generator = np.random.default_rng([config.seed, epoch])
    count = max(config.clips_per_epoch or len(samples), config.global_batch)
    rounds = -(-count // len(samples))
    order = np.concatenate([generator.permutation(len(samples)) for _ in range(rounds)])[:count]
    refs = [_clip(int(sample), samples[sample], generator, config) for sample in order]
    steps = [refs[i : i + config.global_batch] for i in range(0, len(refs), config.global_batch)]
    size = config.micro_batch
    return [
        [step[i : i + size] for i in range(0, config.global_batch, size)]
        for step in steps
        if len(step) == config.global_batch
    ]


def _clip(index: int, sample: TrainSample, generator: np.random.Generator, config: TrainSection) -> ClipRef:
    moving, place, crop_y, crop_x, flip = generator.random(5)
    starts = moving_starts(sample, config.steps) if moving < config.moving_clips else range(sample.num_starts)
    start = starts[int(place * len(starts))]
    return ClipRef(index, start, float(crop_y), float(crop_x), bool(config.flip and flip < 0.5))


def moving_starts(sample: TrainSample, steps: int) -> Sequence[int]:
    """The half of the clip starts whose future flow is longest on average (at least one)."""
    motion = np.array(sample.flow.motion)
    energy = np.array([motion[sample.future_pairs(t, steps)].mean() for t in range(sample.num_starts)])
    keep = np.argsort(-energy, kind="stable")[: max(1, len(energy) // 2)]
    return sorted(keep.tolist())
