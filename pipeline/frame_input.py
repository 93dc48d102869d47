"""Frames to network input: one grid, one crop, one range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..schemas.atomic_flow import AtomicFlowSection

Float = npt.NDArray[np.float32]
STREAMS = {"depth": ("depth",), "rgb": ("rgb",), "rgbd": ("rgb", "depth"), "frames": ("frames",)}
"""Modality to the streams that it stacks; flow lies on the last."""
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


def network_grid(stored: tuple[int, int], stored_cell: int, config: AtomicFlowSection) -> Grid:
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


def crop_input(streams: dict[str, npt.NDArray[Any]], config: AtomicFlowSection, corner: tuple[int, int]) -> Float:
    """Network input (T, C_in, S, S): frames of a grid's size, cropped at `corner`.

    streams: "rgb" uint8 (T, H, W, 3) and "depth" uint16 (T, H, W), both of the same H and W.
    """
    y, x = corner
    inside = np.s_[:, y : y + config.crop, x : x + config.crop]
    ranged = {"rgb": _rgb_channels, "depth": _depth_channels}
    return np.concatenate([ranged[name](streams[name][inside]) for name in ("rgb", "depth") if name in streams], axis=1)


def _rgb_channels(rgb: npt.NDArray[Any]) -> Float:
    scaled = (rgb.astype(np.float32) / 255 - RGB_MEAN) / RGB_STD
    return np.asarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)


def _depth_channels(depth_mm: npt.NDArray[Any]) -> Float:
    """Metres beyond 3 m, 0 where invalid or farther than 8 m, and the validity as a second channel."""
    metres = depth_mm.astype(np.float32) / 1000
    valid = (metres > 0) & (metres <= FARTHEST_M)
    channels = [np.where(valid, metres - CENTRE_M, 0), valid]
    return np.stack(channels, axis=1, dtype=np.float32, casting="unsafe")
