"""Stored frames to the size of a target grid, pixel on cell."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .frame_input import Grid


def fit_frames(
    streams: dict[str, npt.NDArray[Any]], covered: tuple[float, float], grid: Grid
) -> dict[str, npt.NDArray[Any]]:
    """Frames (T, H, W[, 3]) of each stream at `grid.frame_size`.

    covered: parts of height and width that the flow grid covers (whole cells only), so that pixels and cells stay
    aligned.
    """
    fitted = {}
    for name, frames in streams.items():
        height, width = (round(side * part) for side, part in zip(frames.shape[1:3], covered, strict=True))
        fitted[name] = resize_frames(frames[:, :height, :width], *grid.frame_size)
    return fitted


def resize_frames(frames: npt.NDArray[np.generic], rows: int, cols: int) -> npt.NDArray[np.generic]:
    """Frames (T, H, W[, 3]) at (rows, cols): colour by area, depth (uint16) by nearest neighbour."""
    if frames.shape[1:3] == (rows, cols):
        return frames
    method = cv2.INTER_NEAREST_EXACT if frames.dtype == np.uint16 else cv2.INTER_AREA
    return np.stack([cv2.resize(frame, (cols, rows), interpolation=method) for frame in frames])
