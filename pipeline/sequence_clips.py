"""Where an LSTM's sequences come from: Moving MNIST without end, patches of stored RGB frames, or percepts."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError
from ..schemas.lstm_section import LSTMSection
from ..schemas.recipe import DataSection
from .artefacts import SHARDS, read_manifest
from .clip_plan import ClipRef, TrainSample
from .fetch_files import open_source
from .frame_input import RGB_MEAN, RGB_STD, Float
from .moving_mnist import SIDE, MovingMnist
from .moving_mnist_dataset import find_digits, part_and_index, read_digits, sequences_of
from .parquet_files import read_parquet
from .percept_sequences import PerceptSequence, read_percepts
from .percepts import centre_squares
from .read_sample import read_frames
from .store import Store
from .stored_clips import StoredEntries, naming

MAKE_PERCEPTS = "motionpipe embed --encoder … --weights FILE --per frame --set embed.num_clips=1000"


class SequenceSource(Protocol):
    """What sequences are read from. values: numbers in a frame."""

    values: int

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """Sequences (N, frames, values) of one clip, to learn from."""

    def show(self, sample: TrainSample, numbers: Sequence[int]) -> Float:
        """Frames (T, values) of a stored sample, one sequence, to be embedded or scored."""


class DigitSequences:
    """Moving MNIST: without end to learn from, as stored to be scored.

    A store's training sequences are the first of an endless list; each time that a run comes to sample i of n again it
    takes the one that lies n further on, so that no sequence is ever seen twice and any can be made without the others.
    """

    values = SIDE * SIDE

    def __init__(self, store: Store) -> None:
        self._store, self._entries = store, StoredEntries(store, SHARDS)
        self._digits: tuple[MovingMnist, int] | None = None

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """One sequence (1, frames, 4096), pixels in 0 … 1; the first turn's are those that are stored."""
        if ref.turn == 0:
            return self.show(sample, range(ref.start, ref.start + frames))[None]
        if self._digits is None:
            self._digits = endless_digits(self._store, self._entries.of(sample).source_hash)
        sequences, stored = self._digits
        number = part_and_index(sample.recording_id)[1] + ref.turn * stored
        return _unit_range(sequences.frames(number, number + 1)[:, ref.start : ref.start + frames])

    def show(self, sample: TrainSample, numbers: Sequence[int]) -> Float:
        """Stored frames (T, 4096), pixels in 0 … 1."""
        with naming(SHARDS, sample):
            frames = read_frames(self._store, SHARDS, sample.shard, self._entries.of(sample), "frames", numbers)
        return np.asarray(_unit_range(frames[None])[0])


def endless_digits(store: Store, source_hash: str) -> tuple[MovingMnist, int]:
    """The list that a store's training sequences begin, and how many of them it holds; the digits are read anew.

    MotionpipeError where they are no longer where the store was made from, or are others.
    """
    source = open_source(json.loads(store.read_bytes(f"{SHARDS}/identity.json"))["info"]["source"])
    recipe = tomllib.loads(store.read_bytes(f"{SHARDS}/recipe.toml").decode())
    data = DataSection.model_validate(recipe["data"])
    digits = read_digits(source, find_digits(source, "train"))
    if digits.source_hash != source_hash:
        raise MotionpipeError(f"the digits in {source} are not those that the store was made from; shard them anew")
    return sequences_of(digits.images, "train", data), data.mnist_train_sequences


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
        rgb = self._frames(sample, range(ref.start, ref.start + frames))
        if ref.flip:
            rgb = rgb[:, :, ::-1]
        random = np.random.default_rng([int(ref.crop_y * 2**32), int(ref.crop_x * 2**32)])
        if min(rgb.shape[1:3]) < side:
            raise MotionpipeError(f"{sample.key} has frames of {rgb.shape[2]}x{rgb.shape[1]} px; lower lstm.patch_px")
        rows, columns = (random.integers(0, length - side + 1, count).tolist() for length in rgb.shape[1:3])
        cut = np.stack([rgb[:, y : y + side, x : x + side] for y, x in zip(rows, columns, strict=True)])
        return _normalised(cut.reshape(count, frames, -1))

    def show(self, sample: TrainSample, numbers: Sequence[int]) -> Float:
        """The middle squares of frames, reduced to the size of a patch (T, 3 * side * side)."""
        squares = centre_squares(self._frames(sample, numbers), self._config.patch_px)
        return _normalised(squares.reshape(len(numbers), -1))

    def _frames(self, sample: TrainSample, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
        with naming(SHARDS, sample):
            return read_frames(self._store, SHARDS, sample.shard, self._entries.of(sample), "rgb", numbers)


class StoredPercepts:
    """Percepts of frames, all in memory: 5 kB a frame of 1280 values."""

    def __init__(self, sequences: dict[str, PerceptSequence]) -> None:
        self._sequences = sequences
        self.values = next(iter(sequences.values())).values.shape[1]

    def read(self, sample: TrainSample, ref: ClipRef, frames: int) -> Float:
        """One sequence (1, frames, D); a video that ends before it is looped."""
        values = self._sequences[sample.key].values
        return values[(ref.start + np.arange(frames)) % len(values)][None]

    def show(self, sample: TrainSample, numbers: Sequence[int]) -> Float:
        """Percepts of frames (T, D)."""
        return self._sequences[sample.key].values[list(numbers)]


def open_sequences(store: Store, network: LSTMSection) -> SequenceSource:
    """Where the sequences of a network's input are read."""
    if network.input == "moving-mnist":
        return DigitSequences(store)
    if network.input == "patches":
        return PatchSequences(store, network)
    folder, files = percept_files(store, network)
    return StoredPercepts(read_percepts(store, folder, files))


def frame_values(store: Store, network: LSTMSection) -> int:
    """Numbers in a frame of a network's input."""
    if network.input == "moving-mnist":
        return SIDE * SIDE
    if network.input == "patches":
        return 3 * network.patch_px**2
    folder, files = percept_files(store, network)
    return int(read_parquet(store, f"{folder}/{files[0]}", ["embedding"]).schema.field("embedding").type.list_size)


def percept_files(store: Store, network: LSTMSection) -> tuple[str, list[str]]:
    """The folder of the embeddings that a network reads, and its Parquet files."""
    folder = f"embeddings/{network.percepts}"
    return folder, [summary.file for summary in read_manifest(store, folder, MAKE_PERCEPTS).shards]


def _unit_range(frames: npt.NDArray[np.uint8]) -> Float:
    """uint8 (N, T, H, W) to (N, T, H * W) in 0 … 1."""
    return np.asarray(frames.reshape(*frames.shape[:2], -1) / np.float32(255), dtype=np.float32)


def _normalised(values: npt.NDArray[np.uint8]) -> Float:
    return np.asarray((values / np.float32(255) - RGB_MEAN) / RGB_STD, dtype=np.float32)
