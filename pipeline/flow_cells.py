"""Dense flow to means over a grid of cells, and from a finer grid to a coarser one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]


def cell_means(flow: Float, valid: npt.NDArray[np.bool_], cell: int) -> tuple[Float, npt.NDArray[np.uint8]]:
    """Masked means of flow (P, C, H, W) over cell x cell pixels.

    Returns (P, C, H // cell, W // cell), 0 where no pixel is valid, and the counts of valid pixels (P, H // cell,
    W // cell). Pixels beyond the last whole cell are left out.
    """
    pairs, channels, height, width = flow.shape
    rows, cols = height // cell, width // cell
    inside = (slice(None), slice(rows * cell), slice(cols * cell))
    weight = valid[inside].reshape(pairs, rows, cell, cols, cell)
    counts = weight.sum(axis=(2, 4), dtype=np.int64)
    split = flow[:, :, : rows * cell, : cols * cell].reshape(pairs, channels, rows, cell, cols, cell)
    sums = np.where(weight[:, None], split, 0).sum(axis=(3, 5), dtype=np.float64)
    means = sums / np.maximum(counts, 1)[:, None]
    return means.astype(np.float32), counts.astype(np.uint8)


def resample_cells(flow: Float, weight: Float, rows: int, cols: int) -> tuple[Float, Float]:
    """Weighted means of cell flow (P, C, h, w), weight (P, h, w) >= 0, over a coarser grid of (rows, cols).

    Each new cell takes the old ones by the area that they share. Returns flow (P, C, rows, cols), 0 where the weight
    is 0, and the mean weight (P, rows, cols).
    """
    height, width = flow.shape[2:]
    if (height, width) == (rows, cols):
        return np.where(weight[:, None] > 0, flow, np.float32(0)), weight
    if rows > height or cols > width:
        raise ValueError(f"cells can be pooled, not split: {height}x{width} to {rows}x{cols}")
    by_rows, by_cols = _overlaps(height, rows), _overlaps(width, cols)
    pooled_weight: Float = np.asarray(by_rows @ weight @ by_cols.T, dtype=np.float32)
    sums = by_rows @ (flow * weight[:, None]) @ by_cols.T
    means = sums / np.maximum(pooled_weight, 1e-6)[:, None]
    return np.where(pooled_weight[:, None] > 0, means, np.float32(0)).astype(np.float32), pooled_weight


def _overlaps(old: int, new: int) -> Float:
    """(new, old) matrix: share of each new cell's length that each old cell covers; rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    low = np.maximum(edges[:-1, None], np.arange(old)[None])
    high = np.minimum(edges[1:, None], np.arange(old)[None] + 1)
    return np.asarray(np.clip(high - low, 0, None) * (new / old), dtype=np.float32)
