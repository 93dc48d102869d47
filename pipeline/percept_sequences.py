"""Percepts of whole videos, read back from the Parquet files of `embed --per frame`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..schemas.errors import MotionpipeError
from .parquet_files import read_parquet
from .store import Store

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PerceptSequence:
    """Percepts (T, D) of the frames of a sample, in order, each scaled to a mean square of 1."""

    key: str
    recording_id: str
    values: Float


def read_percepts(store: Store, folder: str, files: Sequence[str]) -> dict[str, PerceptSequence]:
    """Sequences by key; one clear error where rows are of clips or frames lack."""
    found: dict[str, PerceptSequence] = {}
    columns = ["key", "recording_id", "frame_start", "frame_end", "embedding"]
    for file in files:
        table = read_parquet(store, f"{folder}/{file}", columns)
        keys = np.array(table["key"].to_pylist(), dtype=np.str_)
        for key in dict.fromkeys(keys.tolist()):
            rows = table.filter(pa.array(keys == key))
            found[key] = PerceptSequence(key, rows["recording_id"][0].as_py(), _in_order(rows, folder, key))
    return found


def unit_mean_square(values: Float) -> Float:
    """Each row (…, D) scaled so that the mean of its squares is 1; a row of zeros stays as it is."""
    size = np.sqrt(np.mean(np.square(values), axis=-1, keepdims=True))
    return np.asarray(values / np.where(size > 0, size, 1), dtype=np.float32)


def windows(values: Float, length: int, stride: int) -> Float:
    """Windows (N, length, D), `stride` frames apart, of a sequence (T, D); a shorter one is looped to one window."""
    if len(values) < length:
        return values[np.arange(length) % len(values)][None]
    starts = range(0, len(values) - length + 1, stride)
    return np.stack([values[start : start + length] for start in starts])


def _in_order(rows: pa.Table, folder: str, key: str) -> Float:
    starts = np.array(rows["frame_start"])
    if (np.array(rows["frame_end"]) != starts + 1).any() or sorted(starts.tolist()) != list(range(len(starts))):
        raise MotionpipeError(
            f"{folder} does not hold every frame of {key}; make it with: motionpipe embed --per frame "
            "--set embed.num_clips=1000"
        )
    values = np.asarray(rows["embedding"].combine_chunks().flatten()).reshape(len(starts), -1)
    return unit_mean_square(values[np.argsort(starts)].astype(np.float32))
