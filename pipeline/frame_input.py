"""Stored frames to network input: one size, one crop, one range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.recipe import TrainSection
from .flow_cells import resize_frames

Float = npt.NDArray[np.float32]
FARTHEST_M = 8.0
CENTRE_M = 3.0
RGB_MEAN, RGB_STD = 0.45, 0.27


@dataclass(frozen=True)
class Grid:
    """The target grid of a frame: (rows, cols) cells of `cell` px, so the network sees (rows, cols) * cell pixels."""

    rows: int
    cols: int
    cell: int

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of the frame that the crop is cut from."""
        return self.rows * self.cell, self.cols * self.cell


def network_grid(stored: tuple[int, int], stored_cell: int, config: TrainSection) -> Grid:
    """Grid of a frame whose stored flow has `stored` (rows, cols) cells, reduced to `frame_short_side`, never enlarged.

    The grid is at least as large as the crop: a frame that is too short on one side is stretched there.
    """
    short = min(stored) * stored_cell
    scale = min(1.0, config.frame_short_side / short) * stored_cell / config.cell
    least = config.crop // config.cell
    return Grid(max(least, round(stored[0] * scale)), max(least, round(stored[1] * scale)), config.cell)


def crop_corner(grid: Grid, crop: int, crop_y: float, crop_x: float) -> tuple[int, int]:
    """Top-left pixel of the crop on cell borders; 0.5 is the centre."""
    free_rows, free_cols = grid.rows - crop // grid.cell, grid.cols - crop // grid.cell
    row = min(int(crop_y * (free_rows + 1)), free_rows)
    col = min(int(crop_x * (free_cols + 1)), free_cols)
    return row * grid.cell, col * grid.cell


def prepare_frames(
    streams: dict[str, npt.NDArray[Any]],
    covered: tuple[float, float],
    grid: Grid,
    config: TrainSection,
    corner: tuple[int, int],
) -> Float:
    """Network input (T, C_in, S, S) of stored frames, cropped at `corner`.

    streams: "rgb" uint8 (T, H, W, 3) and "depth" uint16 (T, H, W). covered: parts of height and width that the flow
    grid covers (whole cells only), so that pixels and cells stay aligned.
    """
    y, x = corner
    channels = []
    for name in ("rgb", "depth"):
        if name in streams:
            frames = streams[name]
            height, width = (round(side * part) for side, part in zip(frames.shape[1:3], covered, strict=True))
            resized = resize_frames(frames[:, :height, :width], *grid.frame_size)
            cropped = resized[:, y : y + config.crop, x : x + config.crop]
            channels.append(_rgb_channels(cropped) if name == "rgb" else _depth_channels(cropped))
    return np.concatenate(channels, axis=1)


def _rgb_channels(rgb: npt.NDArray[Any]) -> Float:
    scaled = (rgb.astype(np.float32) / 255 - RGB_MEAN) / RGB_STD
    return np.asarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)


def _depth_channels(depth_mm: npt.NDArray[Any]) -> Float:
    """Metres beyond 3 m, 0 where invalid or farther than 8 m, and the validity as a second channel."""
    metres = depth_mm.astype(np.float32) / 1000
    valid = (metres > 0) & (metres <= FARTHEST_M)
    channels = [np.where(valid, metres - CENTRE_M, 0), valid]
    return np.stack(channels, axis=1, dtype=np.float32, casting="unsafe")
