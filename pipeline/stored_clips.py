"""Frames and flow of training samples from the store, reading from the tars only the bytes that are needed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError
from ..schemas.report import SampleEntry
from .artefacts import SHARDS, read_report, tar_name
from .clip_plan import TrainSample
from .fit_frames import fit_frames
from .flow_cells import resample_cells
from .frame_input import STREAMS, Float, Grid, network_grid
from .read_flow import read_rows
from .read_sample import read_frames
from .store import Store

if TYPE_CHECKING:
    from ..schemas.atomic_flow import AtomicFlowSection


class StoredClips:
    """What `batches_*` cut clips from: frames and flow at the network's grid, by sample.

    flow_folder: None where clips have no targets of flow. cell: side of a stored flow cell [px].
    """

    def __init__(self, store: Store, flow_folder: str | None, cell: int, config: AtomicFlowSection) -> None:
        self._store, self._flow_folder, self._cell, self._config = store, flow_folder, cell, config
        self._frames = StoredEntries(store, SHARDS)
        self._flow = StoredEntries(store, flow_folder) if flow_folder else None

    def fps(self, sample: TrainSample) -> float:
        """Frames a second of a sample."""
        return self._frames.of(sample).fps

    def frames(self, sample: TrainSample, numbers: Sequence[int]) -> tuple[dict[str, npt.NDArray[Any]], Grid]:
        """The modality's streams, frames (T, H, W[, 3]) of the grid's size, and that grid."""
        entry = self._frames.of(sample)
        names = STREAMS[self._config.modality]
        with naming(SHARDS, sample):
            stored = {name: read_frames(self._store, SHARDS, sample.shard, entry, name, numbers) for name in names}
        return fit_to_grid(stored, names[-1], self._cell, self._config)

    def flow(self, sample: TrainSample, pairs: Sequence[int], grid: Grid) -> tuple[Float, Float]:
        """Flow (n, C, rows, cols) of evenly spaced pairs, and which part of each cell is valid (n, rows, cols)."""
        assert self._flow is not None, "this run has no flow"
        assert self._flow_folder is not None
        place = (self._store, self._flow_folder, sample.shard, self._flow.of(sample))
        step = pairs[1] - pairs[0] if len(pairs) > 1 else 1
        rows = slice(pairs[0], pairs[-1] + 1)
        with naming(self._flow_folder, sample):
            flow = read_rows(*place, "flow.npy", rows)[::step].astype(np.float32)
            counts = read_rows(*place, "valid.npy", rows)[::step].astype(np.float32)
        return resample_cells(flow, counts / np.float32(self._cell**2), grid.rows, grid.cols)


def fit_to_grid(
    stored: dict[str, npt.NDArray[Any]], grid_stream: str, cell: int, config: AtomicFlowSection
) -> tuple[dict[str, npt.NDArray[Any]], Grid]:
    """Stored frames at the size of their grid; `cell` px cells lie on the stream `grid_stream`, whole cells only."""
    height, width = stored[grid_stream].shape[1:3]
    rows, cols = height // cell, width // cell
    grid = network_grid((rows, cols), cell, config)
    return fit_frames(stored, (rows * cell / height, cols * cell / width), grid), grid


@contextmanager
def naming(folder: str, sample: TrainSample) -> Iterator[None]:
    """Decoders say what is wrong with bytes; this adds whose they are, and what to do."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise MotionpipeError(
            f"{folder}/{tar_name(sample.shard)}: sample {sample.key} cannot be read ({error}); run: motionpipe verify"
        ) from error


class StoredEntries:
    """Entries of an artefact's samples, read shard by shard on first use.

    They are kept compressed: a video's offsets take 32 KB as objects and 1.5 KB so, and a run visits all of them.
    Threads may read the same report twice; they then keep the same.
    """

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder = store, folder
        self._shards: dict[int, dict[str, bytes]] = {}

    def of(self, sample: TrainSample) -> SampleEntry:
        """The entry of a sample."""
        if sample.shard not in self._shards:
            report = read_report(self._store, self._folder, sample.shard)
            self._shards[sample.shard] = {e.key: zlib.compress(e.model_dump_json().encode(), 1) for e in report.samples}
        return SampleEntry.model_validate_json(zlib.decompress(self._shards[sample.shard][sample.key]))
