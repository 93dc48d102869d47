"""Depth `.bin` files of the MSR datasets: int32 depth after a header of three numbers, with or without skeleton ids.

int32 frames, width, height
each row:  int32 depth[width]  uint8 skeleton_id[width]     MSR Daily Activity, `_depth.bin`
           int32 depth[width]                               MSR Action3D, `_sdepth.bin`
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..schemas.errors import BadSampleError
from .depth_codec import DepthFrame

_HEADER = struct.Struct("<3i")
_LONGEST_SIDE = 4096
_WITHOUT_IDS = "_sdepth.bin"


def iterate_depth_bin(path: Path) -> Iterator[DepthFrame]:
    """Frames of stored values, one in memory at a time; ids of skeletons are skipped.

    The file's name says which layout it has: by its size alone, a file with ids that lost a fifth could pass for one
    without. Raises BadSampleError where the size is not what the header states.
    """
    frames, width, height, pixel_bytes = _layout(path)
    with path.open("rb") as stream:
        stream.seek(_HEADER.size)
        for number in range(frames):
            rows = np.frombuffer(stream.read(pixel_bytes * width * height), np.uint8)
            values = np.ascontiguousarray(rows.reshape(height, pixel_bytes * width)[:, : 4 * width]).view("<i4")
            yield _depths(path, number, values)


def count_depth_bin(path: Path) -> int:
    """Frames of the file; raises BadSampleError as `iterate_depth_bin` does."""
    return _layout(path)[0]


def _layout(path: Path) -> tuple[int, int, int, int]:
    """(frames, width, height, bytes a pixel) of a file that is as long as its header says."""
    size = path.stat().st_size if path.is_file() else -1
    if size < 0:
        raise BadSampleError("missing-file", f"{path} does not exist")
    pixel_bytes = 4 if path.name.lower().endswith(_WITHOUT_IDS) else 5
    with path.open("rb") as stream:
        header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise BadSampleError("truncated-depth", f"{path} has {size} bytes, less than a header; copy it again")
    frames, width, height = _HEADER.unpack(header)
    _require_plausible(path, frames, width, height)
    expected = _HEADER.size + frames * pixel_bytes * width * height
    if size != expected:
        reason = "truncated-depth" if size < expected else "unreadable-depth"
        raise BadSampleError(
            reason, f"{path}: {frames} frames of {width}x{height} take {expected} bytes, got {size}; copy it again"
        )
    return frames, width, height, pixel_bytes


def _require_plausible(path: Path, frames: int, width: int, height: int) -> None:
    """A damaged header must not lead to a huge allocation."""
    if not (frames >= 0 and 1 <= width <= _LONGEST_SIDE and 1 <= height <= _LONGEST_SIDE):
        raise BadSampleError(
            "unreadable-depth", f"{path}: its header states {frames} frames of {width}x{height}; copy it again"
        )


def _depths(path: Path, number: int, values: npt.NDArray[np.int32]) -> DepthFrame:
    if values.min() < 0 or values.max() > 65_535:
        raise BadSampleError(
            "unreadable-depth",
            f"{path}: frame {number} holds {values.min()} to {values.max()}, no depths; copy it again",
        )
    return values.astype(np.uint16)
