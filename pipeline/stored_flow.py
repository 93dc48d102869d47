"""Dense optical flow of training samples as a flow artefact stores it, reading only the pairs that are needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..schemas.errors import BadSampleError
from .clip_plan import TrainSample
from .read_flow import read_rows
from .store import Store
from .stored_clips import StoredEntries, naming


class StoredFlow:
    """What snippets of flow are cut from, by sample; `folder` holds flow of every pixel (`flow.keep = "pixels"`)."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder, self._entries = store, folder, StoredEntries(store, folder)

    def flow(self, sample: TrainSample, pairs: Sequence[int]) -> npt.NDArray[np.float32]:
        """Flow (n, 2, H, W) in pixels of the pairs that begin with these frames; BadSampleError where none is."""
        try:
            entry = self._entries.of(sample)
        except KeyError as error:
            detail = f"{self._folder} has no flow of sample {sample.key}; see its rejects"
            raise BadSampleError("no-flow", detail) from error
        first = min(pairs)
        with naming(self._folder, sample):
            rows = read_rows(
                self._store, self._folder, sample.shard, entry, "flow_px.npy", slice(first, max(pairs) + 1)
            )
        return np.asarray(rows[[pair - first for pair in pairs]], dtype=np.float32)
