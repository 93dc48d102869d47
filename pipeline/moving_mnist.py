"""Moving MNIST: digits that bounce in a box, any sequence computable from the seed without those before it.

The motion is that of Srivastava, Mansimov and Salakhutdinov 2015 as their released program draws it:

    y, x ~ U(0, 1)   θ ~ U(0, 2π)   v = (sin θ, cos θ)      box of side 1 = 36 px, the room that a digit has
    each frame: (y, x) += 0.1 v, then what is at or beyond a wall is put on it and its v reflected
    the digit's corner is floor(36 (y, x)), stored after the step; overlapping digits blend by maximum

The same as there, to the bit: `draw_motion` takes from a RandomState what the program takes from NumPy's, in its order
(all y, all x, all θ of a batch), and `bounce` gives its positions. Ours: each sequence is a batch of its own with its
own generator, seeded by [part, seed, 0, index], where the program draws batch after batch from one. Digits are used as
there, shuffled, each once before any comes again; ours: round r of them is shuffled by its own generator, seeded by
[part, seed, 1, r]. NumPy has frozen RandomState's stream, so these sequences are the same with every version of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

SIDE = 64
DIGIT = 28
BOX = SIDE - DIGIT
STEP = 0.1
"""Sides of the box that a digit moves in a frame: 3.6 px."""
TEST_SEED = 42
TEST_SEQUENCES = 10_000

Part = Literal["train", "test"]
Floats = npt.NDArray[np.float64]
Frames = npt.NDArray[np.uint8]
_STREAMS = {"train": 0, "test": 1}


@dataclass(frozen=True)
class MovingMnist:
    """An endless list of sequences of moving digits.

    images: uint8 (N, 28, 28). part: the parts draw differently from the same seed, so that no test motion is trained
    on. speed_px: range from which each digit's speed is drawn evenly [px a frame], as the paper's text has it; None:
    3.6 for all, as its program has it.
    """

    images: npt.NDArray[np.uint8]
    part: Part
    seed: int
    num_digits: int = 2
    num_frames: int = 20
    speed_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 3 or self.images.shape[1:] != (DIGIT, DIGIT):
            raise ValueError(f"digits are uint8 (N, {DIGIT}, {DIGIT}), got {self.images.dtype} {self.images.shape}")

    def positions(self, start: int, stop: int) -> Floats:
        """(S, T, D, 2) y and x of each digit's upper left corner in sequences start … stop-1 [px, 0 … 36]."""
        stream, random = _STREAMS[self.part], np.random.RandomState(0)
        drawn = []
        for index in range(start, stop):
            # the same draws as of a new RandomState, whose making alone takes ten times as long
            random.seed([stream, self.seed, 0, index])
            drawn.append(draw_motion(random, self.num_digits, self.speed_px))
        path = bounce(np.concatenate(drawn, axis=1), self.num_frames)
        path_px = BOX * path.reshape(self.num_frames, 2, stop - start, self.num_digits)
        return path_px.transpose(2, 0, 3, 1)

    def digits(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """(S, D) rows of `images` that sequences start … stop-1 show."""
        count = len(self.images)
        first, last = start * self.num_digits, stop * self.num_digits
        rounds = range(first // count, -(-last // count))
        rows = np.concatenate([_shuffled(_STREAMS[self.part], self.seed, number, count) for number in rounds])
        return rows[first - rounds.start * count : last - rounds.start * count].reshape(-1, self.num_digits)

    def frames(self, start: int, stop: int) -> Frames:
        """uint8 (S, T, 64, 64): sequences start … stop-1."""
        corners = self.positions(start, stop).astype(np.int32)
        return paste(self.images[self.digits(start, stop)], corners)


def fixed_test_set(images: npt.NDArray[np.uint8]) -> MovingMnist:
    """The test set that is the same for everybody: its first 10,000 sequences, of MNIST's 10,000 test digits."""
    return MovingMnist(images, "test", TEST_SEED)


def draw_motion(random: np.random.RandomState, count: int, speed_px: tuple[float, float] | None = None) -> Floats:
    """(4, count): y, x [box], θ [rad], step [box a frame] of `count` digits; steps take draws only with `speed_px`."""
    y, x = random.rand(count), random.rand(count)
    theta = random.rand(count) * 2 * np.pi
    if speed_px is None:
        return np.stack([y, x, theta, np.full(count, STEP)])
    slowest, fastest = speed_px
    return np.stack([y, x, theta, (slowest + (fastest - slowest) * random.rand(count)) / BOX])


def bounce(motion: Floats, num_frames: int) -> Floats:
    """(T, 2, count) y and x [box, 0 … 1] after each step of a `motion` (4, count) as `draw_motion` gives it."""
    place, theta, step = motion[:2].copy(), motion[2], motion[3]
    velocity = np.stack([np.sin(theta), np.cos(theta)])
    path = np.empty((num_frames, *place.shape))
    for frame in path:
        place += velocity * step
        velocity[(place <= 0) | (place >= 1)] *= -1
        np.clip(place, 0, 1, out=place)
        frame[:] = place
    return path


def paste(digits: Frames, corners: npt.NDArray[np.int32]) -> Frames:
    """uint8 (S, T, 64, 64): digits (S, D, 28, 28) with upper left corners (S, T, D, 2), blended by maximum."""
    sequences, num_frames, num_digits = corners.shape[:3]
    frames = np.zeros((sequences, num_frames, SIDE, SIDE), dtype=np.uint8)
    for images, sequence, path in zip(digits, frames, corners.tolist(), strict=True):
        for frame, places in zip(sequence, path, strict=True):
            for number in range(num_digits):
                top, left = places[number]
                window = frame[top : top + DIGIT, left : left + DIGIT]
                np.maximum(window, images[number], out=window)
    return frames


@lru_cache(maxsize=4)
def _shuffled(stream: int, seed: int, number: int, count: int) -> npt.NDArray[np.int64]:
    """Round `number` of the digits: each of `count` rows once."""
    return np.random.RandomState([stream, seed, 1, number]).permutation(count).astype(np.int64)
