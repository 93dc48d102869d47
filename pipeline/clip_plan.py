"""Which clips a training run sees, in which order: arithmetic on the seed, the same for every number of workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError

if TYPE_CHECKING:
    from ..schemas.training import LoopSection

_HOLDOUT_SEED = 0x401D  # the held-out clips are one more "epoch", which no run reaches


@dataclass(frozen=True)
class TrainSample:
    """A training sample, small enough to hold all of a dataset's in memory.

    shard, key: where its frames and its flow lie. group: its subject or source film. stride: frames of a flow step.
    motion: float32 (pairs,), mean length of the flow of each pair (i, i + stride); empty where there is no flow. label:
    class index, -1 where it has none.
    """

    shard: int
    key: str
    recording_id: str
    group: str
    num_frames: int
    stride: int
    motion: npt.NDArray[np.float32]
    label: int = -1

    @property
    def num_starts(self) -> int:
        """First frames t of clips that have both input frames and at least one flow after them."""
        return max(0, self.num_frames - 2 * self.stride)

    def future_pairs(self, start: int, steps: int, from_pair: bool = False) -> list[int]:
        """Flow pairs t + s, t + 2s, … of a clip that begins at frame t = `start`, as far as the recording goes.

        `from_pair`: they begin with t, the motion between the two input frames.
        """
        last, first = self.num_frames - 1 - self.stride, 0 if from_pair else 1
        return [pair for k in range(first, steps + first) if (pair := start + k * self.stride) <= last]


@dataclass(frozen=True)
class ClipRef:
    """One training clip: sample, first frame, place of the crop (fractions of the room it has), mirrored or not.

    turn: how often the run has come to this sample before.
    """

    sample: int
    start: int
    crop_y: float
    crop_x: float
    flip: bool
    turn: int = 0


Starts = Callable[[TrainSample, float], Sequence[int]]
"""First frames that a clip of a sample may have, given a number drawn evenly from [0, 1)."""


def steps_in_epoch(num_samples: int, config: LoopSection) -> int:
    """Optimiser steps of an epoch: what does not fill a last step is left out, but at least one is made."""
    return max(config.clips_per_epoch or num_samples, config.global_batch) // config.global_batch


def require_even_share(config: LoopSection, workers: int) -> None:
    """Raise where the micro-batches of a step cannot be shared out evenly."""
    micro_batches = config.global_batch // config.micro_batch
    if micro_batches % max(workers, 1):
        fitting = [number for number in range(1, micro_batches + 1) if micro_batches % number == 0]
        raise MotionpipeError(
            f"{micro_batches} micro-batches a step (global_batch / micro_batch) cannot be shared by "
            f"{workers} workers; choose --workers {' or '.join(map(str, [0, *fitting]))}"
        )


def plan_epoch(
    samples: Sequence[TrainSample], epoch: int, config: LoopSection, starts: Starts, flip: bool
) -> list[list[list[ClipRef]]]:
    """Optimiser steps of an epoch, each a list of micro-batches of clips.

    Every sample comes once before any comes twice. All steps are full, so that every worker gets equally many.
    """
    if not samples:
        return []
    generator = np.random.default_rng([config.seed, epoch])
    count = steps_in_epoch(len(samples), config) * config.global_batch
    rounds = -(-count // len(samples))
    order = np.concatenate([generator.permutation(len(samples)) for _ in range(rounds)])[:count]
    refs = []
    for place_in_epoch, sample in enumerate(order.tolist()):
        turn = epoch * rounds + place_in_epoch // len(samples)
        chance, place, crop_y, crop_x, mirror = generator.random(5).tolist()
        allowed = starts(samples[sample], chance)
        refs.append(ClipRef(sample, allowed[int(place * len(allowed))], crop_y, crop_x, flip and mirror < 0.5, turn))
    size = config.micro_batch
    micro_batches = [refs[i : i + size] for i in range(0, count, size)]
    each = config.global_batch // size
    return [micro_batches[i : i + each] for i in range(0, len(micro_batches), each)]


def plan_held_out(samples: Sequence[TrainSample], config: LoopSection, starts: Starts) -> list[list[ClipRef]]:
    """Micro-batches of held-out clips: one of each sample, the same in every epoch, centre crops, not mirrored.

    A clip that would be left over alone joins those before it, since batch norm may have nothing to normalise one with.
    """
    generator = np.random.default_rng([config.seed, _HOLDOUT_SEED, 0])
    refs = []
    for number, sample in enumerate(samples):
        chance, place = generator.random(2).tolist()
        allowed = starts(sample, chance)
        refs.append(ClipRef(number, allowed[int(place * len(allowed))], 0.5, 0.5, False))
    parts = [refs[i : i + config.micro_batch] for i in range(0, len(refs), config.micro_batch)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [parts[-2] + parts[-1]]
    return parts


def held_out_groups(groups: Sequence[str], fraction: float, seed: int) -> frozenset[str]:
    """The groups that are held out: drawn by seed until they hold `fraction` of the samples, never all of them.

    groups: of each sample. Empty where the fraction is 0 or there is one group only.
    """
    names, counts = np.unique(np.asarray(groups, dtype=np.str_), return_counts=True)
    if fraction == 0 or len(names) < 2:
        return frozenset()
    order = np.random.default_rng([seed, _HOLDOUT_SEED, 1]).permutation(len(names))[:-1]
    before = np.concatenate([[0], np.cumsum(counts[order])[:-1]])
    return frozenset(names[order[before < fraction * len(groups)]].tolist())


def flow_starts(
    sample: TrainSample, chance: float, steps: int, moving_clips: float, from_pair: bool = False
) -> Sequence[int]:
    """Starts with flow after them; for `moving_clips` of the chances those of the more moving half."""
    return moving_starts(sample, steps, from_pair) if chance < moving_clips else range(sample.num_starts)


def clip_starts(sample: TrainSample, chance: float, frames: int) -> Sequence[int]:
    """Starts of clips of `frames` frames, a stride apart; 0 alone where the recording is shorter."""
    return range(max(1, sample.num_frames - (frames - 1) * sample.stride))


def sequence_starts(sample: TrainSample, chance: float, frames: int) -> Sequence[int]:
    """Starts of `frames` consecutive frames; 0 alone where the recording is shorter."""
    return range(max(1, sample.num_frames - frames + 1))


def moving_starts(sample: TrainSample, steps: int, from_pair: bool = False) -> Sequence[int]:
    """The half of the clip starts whose predicted flow is longest on average (at least one)."""
    count, first = sample.num_starts, 0 if from_pair else 1
    sums, found = np.zeros(count), np.zeros(count)
    for k in range(first, steps + first):
        after = sample.motion[k * sample.stride :][:count]
        sums[: len(after)] += after
        found[: len(after)] += 1
    order = np.argsort(-sums / np.maximum(found, 1), kind="stable")
    return sorted(order[: max(1, count // 2)].tolist())
