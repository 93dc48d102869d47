"""Depth in MATLAB files: `depth` of MSR Action3D and `d_depth` of UTD-MHAD, (height, width, frames)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..schemas.errors import BadSampleError
from .depth_codec import DepthFrame
from .mat_arrays import read_mat_array

VARIABLES = ("depth", "d_depth")


def iterate_depth_mat(path: Path) -> Iterator[DepthFrame]:
    """Frames of stored values; the file is loaded as a whole, 150 kB a frame of 320x240.

    Raises BadSampleError where the file is damaged or its values are no depths.
    """
    depth = read_mat_array(path, VARIABLES, (None, None, None))
    if depth.ndim == 2:
        depth = depth[:, :, None]
    if depth.size == 0:
        raise BadSampleError("no-depth-frames", f"{path} holds no frames; copy it again")
    low, high = float(depth.min()), float(depth.max())
    if not (low >= 0 and high <= 65_535):  # false for NaN, too
        raise BadSampleError("unreadable-depth", f"{path} holds {low:g} to {high:g}, no depths; copy it again")
    for t in range(depth.shape[2]):
        yield np.ascontiguousarray(np.round(depth[:, :, t]), dtype=np.uint16)
