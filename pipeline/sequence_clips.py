"""Where an LSTM's sequences come from: Moving MNIST made on the fly, patches of stored RGB frames, or percepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .artefacts import SHARDS
from .clip_plan import ClipRef, TrainSample
from .frame_input import RGB_MEAN, RGB_STD, Float
from .moving_mnist import SIDE, MovingMnist
from .moving_mnist_dataset import part_and_index
from .percept_sequences import PerceptSequence
from .read_sample import read_frames
from .store import Store
from .stored_clips import StoredEntries, naming

if TYPE_CHECKING:
    from ..schemas.lstm_section import LSTMSection


class SequenceSource(Protocol):
    """What batches of sequences are read from. values: numbers in a frame."""

    values: int

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """Sequences (N, frames, values) of one clip."""


class DigitSequences:
    """Moving MNIST without end, of training digits.

    A store's training sequences are the first of an endless list; each time that a run comes to sample i of n again it
    takes the one that lies n further on, so that no sequence is ever seen twice and any can be made without the others.
    """

    values = SIDE * SIDE

    def __init__(self, sequences: MovingMnist, stored: int) -> None:
        self._sequences, self._stored = sequences, stored

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """One sequence (1, frames, 4096), pixels in 0 … 1."""
        number = part_and_index(sample.recording_id)[1] + ref.turn * self._stored
        made = self._sequences.frames(number, number + 1)[:, :frames]
        return np.asarray(made.reshape(1, frames, -1) / np.float32(255), dtype=np.float32)


class StoredDigits:
    """Moving MNIST as a store holds it: the fixed test set."""

    values = SIDE * SIDE

    def __init__(self, store: Store) -> None:
        self._store, self._entries = store, StoredEntries(store, SHARDS)

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """One sequence (1, frames, 4096), pixels in 0 … 1."""
        numbers = range(ref.start, ref.start + frames)
        with naming(SHARDS, sample):
            made = read_frames(self._store, SHARDS, sample.shard, self._entries.of(sample), "frames", numbers)
        return np.asarray(made.reshape(1, frames, -1) / np.float32(255), dtype=np.float32)


class PatchSequences:
    """Square patches of consecutive RGB frames, each at one place for the whole clip.

    Values are (pixel / 255 - 0.45) / 0.27: about unit variance over natural images.
    """

    def __init__(self, store: Store, config: LSTMSection) -> None:
        self._store, self._entries, self._config = store, StoredEntries(store, SHARDS), config
        self.values = 3 * config.patch_px**2

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """`patches` sequences (N, frames, 3 * side * side) of one clip; their places follow from that of its crop."""
        side, count = self._config.patch_px, self._config.patches
        numbers = range(ref.start, ref.start + frames)
        with naming(SHARDS, sample):
            rgb = read_frames(self._store, SHARDS, sample.shard, self._entries.of(sample), "rgb", numbers)
        if ref.flip:
            rgb = rgb[:, :, ::-1]
        random = np.random.default_rng([int(ref.crop_y * 2**32), int(ref.crop_x * 2**32)])
        rows, columns = (random.integers(0, length - side + 1, count).tolist() for length in rgb.shape[1:3])
        cut = np.stack([rgb[:, y : y + side, x : x + side] for y, x in zip(rows, columns, strict=True)])
        return np.asarray((cut.reshape(count, frames, -1) / np.float32(255) - RGB_MEAN) / RGB_STD, dtype=np.float32)


class StoredPercepts:
    """Percepts of frames, all in memory: 5 kB a frame of 1280 values."""

    def __init__(self, sequences: dict[str, PerceptSequence]) -> None:
        self._sequences = sequences
        self.values = next(iter(sequences.values())).values.shape[1]

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """One sequence (1, frames, D); a video that ends before it is looped."""
        values = self._sequences[sample.key].values
        return values[(ref.start + np.arange(frames)) % len(values)][None]


def sequence_starts(sample: TrainSample, chance: float, frames: int) -> range:
    """First frames that a sequence may have; 0 alone where the video is shorter."""
    return range(max(1, sample.num_frames - frames + 1))


def read_sequences(
    source: SequenceSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef], frames: int
) -> Float:
    """The sequences of a micro-batch, one after the other (B, frames, values)."""
    return np.concatenate([source.read(samples[ref.sample], ref, frames) for ref in refs])
