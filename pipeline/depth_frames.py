"""Depth frames of a recording: uint16 millimetres, 0 = invalid, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..schemas.errors import BadSampleError
from .decode_video import reduced_size
from .depth_codec import DepthFrame, decode_png16


def iterate_depth(path: Path, unit_mm: float = 1.0) -> Iterator[DepthFrame]:
    """Frames of a recording's depth in millimetres; `unit_mm` is what one step of the stored values stands for.

    Raises BadSampleError where there are none, one is damaged, or their size changes.
    """
    first: tuple[int, ...] | None = None
    for depth in _iterate_pngs(path):
        if first is not None and depth.shape != first:
            raise BadSampleError("depth-size-changes", f"{path}: a frame is {depth.shape}, those before it {first}")
        first = depth.shape
        yield depth if unit_mm == 1 else np.round(depth * unit_mm).clip(0, 65_535).astype(np.uint16)


def _iterate_pngs(folder: Path) -> Iterator[DepthFrame]:
    """16-bit PNGs of a folder in the order of their names."""
    files = depth_png_files(folder)
    if not files:
        raise BadSampleError("no-depth-frames", f"{folder} holds no *Depth-*.png; copy it again")
    for file in files:
        try:
            yield decode_png16(file.read_bytes())
        except ValueError as error:
            raise BadSampleError("unreadable-depth", f"{file} is not a 16-bit depth PNG; copy it again") from error


def depth_png_files(folder: Path) -> list[Path]:
    """NTU's depth files of a folder (`MDepth-%08d.png` or `Depth-%08d.png`), sorted by name."""
    return sorted(folder.glob("*Depth-*.png")) if folder.is_dir() else []


def reduce_depth(depth: DepthFrame, short_side: int) -> DepthFrame:
    """Nearest-neighbour reduction: depths are never mixed, so no surface appears where there is none."""
    height, width = depth.shape
    size = reduced_size(width, height, short_side)
    if size == (width, height):
        return depth
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint16)


def erode_depth(depth: DepthFrame, pixels: int) -> DepthFrame:
    """Depth without what lies within `pixels` of a pixel without depth; the border of the image counts as depth."""
    if not pixels:
        return depth
    side = 2 * pixels + 1
    valid = cv2.erode((depth > 0).astype(np.uint8), np.ones((side, side), dtype=np.uint8))
    return np.where(valid > 0, depth, 0).astype(np.uint16)
