"""Flow samples back from their tar."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError
from ..schemas.flow import FlowCells, FlowPixels
from ..schemas.report import SampleEntry
from .artefacts import tar_name
from .read_sample import read_members
from .store import Store


def read_flow_cells(store: Store, folder: str, shard: int, entry: SampleEntry, cell: int) -> FlowCells:
    """All flow cells of a sample; `cell` is the side of a cell in pixels, from the artefact's recipe."""
    members = read_members(store, folder, shard, entry, ["flow.npy", "valid.npy"])
    flow = np.load(io.BytesIO(members["flow.npy"]), allow_pickle=False)
    valid = np.load(io.BytesIO(members["valid.npy"]), allow_pickle=False)
    assert entry.stride is not None
    return FlowCells(entry.key, flow, valid, entry.stride, cell)


def read_flow_pixels(store: Store, folder: str, shard: int, entry: SampleEntry) -> FlowPixels:
    """The dense flow of a sample; MotionpipeError where the artefact holds cells only."""
    if "flow_px.npy" not in entry.members:
        raise MotionpipeError(f"{folder} holds cells only; make it with: motionpipe flow --set flow.keep=pixels")
    members = read_members(store, folder, shard, entry, ["flow_px.npy", "valid_px.npy"])
    flow, valid = (np.load(io.BytesIO(data), allow_pickle=False) for data in members.values())
    return FlowPixels(entry.key, flow, valid)


def read_rows(
    store: Store, folder: str, shard: int, entry: SampleEntry, name: str, rows: slice
) -> npt.NDArray[np.float16] | npt.NDArray[np.uint8]:
    """Rows [start, stop) of a .npy member along its first axis, without reading the others."""
    offset, size = entry.members[name]
    shape, dtype, header = _npy_header(store, folder, shard, offset, min(size, 256))
    row_bytes = int(np.prod(shape[1:])) * dtype.itemsize
    count = rows.stop - rows.start
    if not 0 <= rows.start <= rows.stop <= shape[0]:
        raise ValueError(f"{entry.key}: rows {rows.start}..{rows.stop} of {shape[0]}")
    data = store.read_range(f"{folder}/{tar_name(shard)}", offset + header + rows.start * row_bytes, count * row_bytes)
    array: npt.NDArray[Any] = np.frombuffer(data, dtype).reshape(count, *shape[1:])
    return array


def _npy_header(
    store: Store, folder: str, shard: int, offset: int, size: int
) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """(shape, dtype, header size) of a C-ordered .npy at `offset` in a tar."""
    stream = io.BytesIO(store.read_range(f"{folder}/{tar_name(shard)}", offset, size))
    version = np.lib.format.read_magic(stream)
    assert version == (1, 0)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran or dtype.hasobject:
        raise ValueError("only C-ordered numeric arrays are stored")
    return shape, dtype, stream.tell()
