"""One array of numbers from a MATLAB 5 file, of a known number of dimensions and a bounded size.

The format in four lines (MathWorks, "MAT-File Format"), every part padded to 8 bytes and led by `uint32 type, size`:

    header of 128 bytes, ends with the version and "IM" (little-endian) or "MI"
    compressed (15): zlib of one matrix        matrix (14): the four parts below
        flags: uint32 class and two more       dimensions: int32 each        name: text
        values, by columns, in the smallest type that holds them, whatever the class

scipy.io.loadmat reads more, but a damaged file can end its process (measured), and here one file must never do that.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.errors import BadSampleError

_MOST_VALUES = 1 << 26
"""67 million: 870 frames of 320x240, six times the longest recording of the sets that are kept in such files."""
_HEAD_BYTES = 512
"""Enough for flags, up to 32 dimensions and a name."""
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC_CLASSES = range(6, 16)
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}


class _NotAMatFileError(Exception):
    """The bytes are not what the format says; the text tells where."""


@dataclass(frozen=True)
class _Head:
    """What stands before an array's values: `start` and `size` [bytes] of those in their matrix."""

    name: str
    dims: tuple[int, ...]
    numeric: bool
    value_type: str
    start: int
    size: int


def read_mat_array(path: Path, names: Collection[str], shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """The array under the first of `names` that the file holds; None in `shape` stands for any length.

    Raises BadSampleError("unreadable-mat") where there is no such array, or the file is damaged or cut.
    """
    if not path.is_file():
        raise BadSampleError("missing-file", f"{path} does not exist")
    if path.stat().st_size > 8 * _MOST_VALUES:
        raise BadSampleError("unreadable-mat", f"{path} is larger than any recording; copy it again")
    try:
        return _find(path.read_bytes(), names, shape)
    except (_NotAMatFileError, struct.error, zlib.error, UnicodeDecodeError) as error:
        raise BadSampleError("unreadable-mat", f"{path} is no whole MATLAB 5 file: {error}; copy it again") from error


def _find(data: bytes, names: Collection[str], shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or data[124:126] != struct.pack(f"{order}H", 0x0100):
        raise _NotAMatFileError("its header is of another format, as that of version 7.3 is (save with -v7)")
    found = None
    for kind, body in _elements(data, order):
        # all are looked at, so that a file that is cut behind the array is noticed too
        unpack = zlib.decompressobj() if kind == _COMPRESSED else None
        matrix, inner = body, kind
        if unpack:
            unpacked = unpack.decompress(body, _HEAD_BYTES)
            inner, _, start = _tag(unpacked, 0, order)
            matrix = unpacked[start:]
        if inner != _MATRIX or found is not None:
            continue
        head = _head(matrix, order)
        if head.name not in names:
            continue
        _require_shape(head, shape)
        if unpack:
            matrix += unpack.decompress(unpack.unconsumed_tail, max(1, head.start + head.size - len(matrix)))
            _require_end(unpack)
        found = _values(matrix, head, order)
    if found is None:
        raise _NotAMatFileError(f"it holds no array {' or '.join(names)}")
    return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    place = 128
    while place < len(data):
        kind, size, start = _tag(data, place, order)
        if start + size > len(data):
            raise _NotAMatFileError(f"it ends {start + size - len(data)} bytes early")
        yield kind, data[start : start + size]
        place = start + size


def _tag(data: bytes, place: int, order: str) -> tuple[int, int, int]:
    """(type, size, start of the content) of the part at `place`; up to 4 bytes share 8 with their tag."""
    kind, size = struct.unpack_from(f"{order}II", data, place)
    if kind >> 16:
        return kind & 0xFFFF, kind >> 16, place + 4
    return kind, size, place + 8


def _head(matrix: bytes, order: str) -> _Head:
    parts, place = [], 0
    for _ in range(3):
        _, size, start = _tag(matrix, place, order)
        if size > _HEAD_BYTES or start + size > len(matrix):
            raise _NotAMatFileError("an array's head is too long")
        parts.append(matrix[start : start + size])
        place = -(-(start + size) // 8) * 8
    flags, dims, name = parts
    array_class = struct.unpack_from(f"{order}I", flags)[0] & 0xFF
    kind, size, start = _tag(matrix, place, order) if place + 8 <= len(matrix) else (0, 0, 0)
    return _Head(
        name.decode("ascii"),
        struct.unpack(f"{order}{len(dims) // 4}i", dims[: len(dims) // 4 * 4]),
        array_class in _NUMERIC_CLASSES and kind in _TYPES,
        order + _TYPES.get(kind, "u1"),
        start,
        size,
    )


def _require_shape(head: _Head, shape: tuple[int | None, ...]) -> None:
    # MATLAB drops a last dimension of 1
    dims = (*head.dims, 1) if len(head.dims) == len(shape) - 1 else head.dims
    fits = len(dims) == len(shape) and all(asked in (None, got) for asked, got in zip(shape, dims, strict=True))
    if not head.numeric or not fits or min(dims) < 0 or math.prod(dims) > _MOST_VALUES:
        raise _NotAMatFileError(f"{head.name} is no array of numbers of shape {shape}, but {head.dims}")
    if head.size != math.prod(dims) * np.dtype(head.value_type).itemsize:
        raise _NotAMatFileError(f"{head.name} of shape {head.dims} has {head.size} bytes")


def _require_end(unpack: Any) -> None:
    """Read the padding and the checksum behind the values."""
    unpack.decompress(unpack.unconsumed_tail, 64)
    if not unpack.eof:
        raise _NotAMatFileError("a compressed array does not end where it should")


def _values(matrix: bytes, head: _Head, order: str) -> npt.NDArray[Any]:
    stop = head.start + head.size
    if stop > len(matrix):
        raise _NotAMatFileError(f"{head.name} ends {stop - len(matrix)} bytes early")
    values = np.frombuffer(matrix, head.value_type, offset=head.start, count=math.prod(head.dims))
    return values.reshape(head.dims, order="F")
