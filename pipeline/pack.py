"""A pack: the depth frames, labels and flow cells of a store in one file, at the size that one network sees.

It opens with NumPy alone, so that a machine with torch and nothing else can train from it. Frames are stored as the
left-to-right differences of their rows, zigzag-coded and split into low and high bytes; flow as the values of the valid
cells of the training samples, and a bit for each cell.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError
from .clip_plan import TrainSample
from .codebook_file import codebook_bytes, codebook_from_bytes
from .frame_input import Float, Grid
from .train_samples import TrainSamples, samples_from_bytes, samples_to_bytes

FORMAT = 1


@dataclass(frozen=True)
class PackedSample:
    """Frames uint16 (T, H, W) in millimetres; flow float16 (P, C, rows, cols), valid bool (P, rows, cols), or None."""

    sample: TrainSample
    part: str
    depth: npt.NDArray[np.uint16]
    grid: Grid
    flow: npt.NDArray[np.float16] | None = None
    valid: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Pack:
    """meta: recipe sections and names, as JSON. books: codebooks by name."""

    meta: dict[str, Any]
    samples: Sequence[PackedSample]
    books: dict[str, Codebook]

    def part(self, name: str) -> list[TrainSample]:
        """Labelled samples of the protocol's "train" or "test" part."""
        return [packed.sample for packed in self.samples if packed.part == name and packed.sample.label >= 0]


def pack_bytes(pack: Pack) -> bytes:
    """The file: a .npz of plain arrays."""
    every = TrainSamples([packed.sample for packed in pack.samples], [])
    grids = [(p.grid.rows, p.grid.cols, p.grid.cell) for p in pack.samples]
    low, high = (np.concatenate(planes) for planes in zip(*(_split(p.depth) for p in pack.samples), strict=True))
    with_flow = [(p.flow, p.valid) for p in pack.samples if p.flow is not None and p.valid is not None]
    books: dict[str, Any] = {
        f"book_{name}": np.frombuffer(codebook_bytes(book), np.uint8) for name, book in pack.books.items()
    }
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        meta=np.array(json.dumps({"format": FORMAT, **pack.meta}, sort_keys=True)),
        samples=np.frombuffer(samples_to_bytes(every), np.uint8),
        part=np.array([p.part for p in pack.samples]),
        grid=np.array(grids, np.int32),
        depth_low=low,
        depth_high=high,
        flow_pairs=np.array([0 if p.flow is None else len(p.flow) for p in pack.samples], np.int32),
        flow_channels=np.array(with_flow[0][0].shape[1] if with_flow else 0),
        flow_valid=np.concatenate([np.zeros(0, np.uint8), *(np.packbits(valid) for _, valid in with_flow)]),
        flow=np.concatenate([np.zeros(0, np.float16), *(_valid_values(*pair) for pair in with_flow)]),
        books=np.array(sorted(pack.books)),
        **books,
    )
    return stream.getvalue()


def read_pack(path: Path) -> Pack:
    """The pack of a file; one clear error where it is none."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        meta = json.loads(str(arrays["meta"]))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise MotionpipeError(f"{path} is no pack ({error}); make one with: motionpipe pack --out FILE") from error
    if meta["format"] != FORMAT:
        raise MotionpipeError(f"{path} was packed by another version of motionpipe; pack it again")
    samples = samples_from_bytes(arrays["samples"].tobytes()).learned
    packed: list[PackedSample] = []
    pixel = bit = value = 0
    channels = int(arrays["flow_channels"])
    rows = zip(samples, arrays["part"].tolist(), arrays["grid"].tolist(), arrays["flow_pairs"].tolist(), strict=True)
    for sample, part, sizes, pairs in rows:
        grid = Grid(*sizes)
        count = sample.num_frames * grid.frame_size[0] * grid.frame_size[1]
        low, high = (arrays[f"depth_{name}"][pixel : pixel + count] for name in ("low", "high"))
        depth, pixel = _join(low, high, (sample.num_frames, *grid.frame_size)), pixel + count
        flow = valid = None
        if pairs:
            cells = pairs * grid.rows * grid.cols
            bits = np.unpackbits(arrays["flow_valid"][bit : bit + -(-cells // 8)], count=cells).astype(np.bool_)
            valid, bit = bits.reshape(pairs, grid.rows, grid.cols), bit + -(-cells // 8)
            found = int(valid.sum()) * channels
            flow, value = _spread(arrays["flow"][value : value + found], valid, channels), value + found
        packed.append(PackedSample(sample, part, depth, grid, flow, valid))
    books = {name: codebook_from_bytes(arrays[f"book_{name}"].tobytes()) for name in arrays["books"].tolist()}
    return Pack(meta, packed, books)


class PackedClips:
    """Frames and flow of a pack's samples, in memory; see `batches_atomic_flow.ClipSource`."""

    def __init__(self, pack: Pack) -> None:
        self._by_key = {packed.sample.key: packed for packed in pack.samples}

    def frames(self, sample: TrainSample, numbers: Sequence[int]) -> tuple[dict[str, npt.NDArray[Any]], Grid]:
        """Depth frames (T, H, W) of the grid's size, and that grid."""
        packed = self._by_key[sample.key]
        return {"depth": packed.depth[list(numbers)]}, packed.grid

    def flow(self, sample: TrainSample, pairs: Sequence[int], grid: Grid) -> tuple[Float, Float]:
        """Flow (n, C, rows, cols) of the pairs, and 1 where a cell is valid, else 0 (n, rows, cols)."""
        packed = self._by_key[sample.key]
        assert packed.flow is not None
        assert packed.valid is not None
        return packed.flow[list(pairs)].astype(np.float32), packed.valid[list(pairs)].astype(np.float32)


def _split(depth: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Low and high bytes of the zigzag-coded differences along the rows, flat; see `depth_codec`."""
    delta = np.diff(depth, axis=-1, prepend=np.uint16(0)).view(np.int16)
    zigzag = ((delta << 1) ^ (delta >> 15)).view(np.uint16).ravel()
    return (zigzag & 0xFF).astype(np.uint8), (zigzag >> 8).astype(np.uint8)


def _join(low: npt.NDArray[np.uint8], high: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    zigzag = low.astype(np.uint16) | (high.astype(np.uint16) << 8)
    delta = (zigzag >> 1) ^ (np.uint16(0) - (zigzag & 1))
    return np.cumsum(delta.reshape(shape), axis=-1, dtype=np.uint16)


def _valid_values(flow: npt.NDArray[np.float16], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float16]:
    """Flow of the valid cells (P, C, rows, cols), component after component, flat."""
    return np.concatenate([flow[:, channel][valid] for channel in range(flow.shape[1])])


def _spread(values: npt.NDArray[np.float16], valid: npt.NDArray[np.bool_], channels: int) -> npt.NDArray[np.float16]:
    flow = np.zeros((channels, *valid.shape), np.float16)
    flow[:, valid] = values.reshape(channels, -1)
    return np.ascontiguousarray(flow.swapaxes(0, 1))
