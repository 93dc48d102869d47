"""RGB frames of training samples as they are stored, reading from the tars only the bytes that are needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .artefacts import SHARDS
from .clip_plan import TrainSample
from .read_sample import read_frames
from .store import Store
from .stored_clips import StoredEntries, naming


class StoredFrames:
    """What batches of RGB clips are cut from, by sample."""

    def __init__(self, store: Store) -> None:
        self._store, self._entries = store, StoredEntries(store, SHARDS)

    def fps(self, sample: TrainSample) -> float:
        """Frames a second of a sample."""
        return self._entries.of(sample).fps

    def rgb(self, sample: TrainSample, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Frames (T, H, W, 3) as they are stored; one clear error where they cannot be read."""
        entry = self._entries.of(sample)
        with naming(SHARDS, sample):
            return read_frames(self._store, SHARDS, sample.shard, entry, "rgb", numbers)
