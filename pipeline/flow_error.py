"""Error of stored flow against exact truth, cell by cell.

Legend: P pairs of frames, (H, W) stored frame, (h, w) cells, N compared cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.flow import FlowCells
from .flow_cells import cell_means
from .scene_truth import Truth, truth_frame

Float = npt.NDArray[np.float32]
MOVING_MM = 10.0


@dataclass(frozen=True)
class CellError:
    """End-point error over some cells, and that of a flow that is 0 everywhere, which is the true length of the flow.

    Lengths are NaN where there are no cells.
    """

    num_cells: int
    mean_mm: float
    median_mm: float
    zero_mean_mm: float  # mean true |flow|
    zero_median_mm: float  # median true |flow|


@dataclass(frozen=True)
class FlowError:
    """Error over the cells that are valid in both the estimate and the truth."""

    every: CellError
    moving: CellError  # where the true flow is at least MOVING_MM long


@dataclass(frozen=True)
class CellErrors:
    """End-point error and true length of the flow of each compared cell, both (N,) in millimetres."""

    error_mm: Float
    length_mm: Float


def flow_error_mm(flow_cells: FlowCells, truth: Truth, cell: int, stored_size: tuple[int, int]) -> FlowError:
    """Error of one recording; see `cell_errors_mm`."""
    return pooled_error([cell_errors_mm(flow_cells, truth, cell, stored_size)])


def pooled_error(parts: Sequence[CellErrors]) -> FlowError:
    """Error over the cells of several recordings together."""
    error_mm = np.concatenate([part.error_mm for part in parts])
    length_mm = np.concatenate([part.length_mm for part in parts])
    moving = length_mm >= MOVING_MM
    return FlowError(_cell_error(error_mm, length_mm), _cell_error(error_mm[moving], length_mm[moving]))


def cell_errors_mm(flow_cells: FlowCells, truth: Truth, cell: int, stored_size: tuple[int, int]) -> CellErrors:
    """Compare flow cells (P, 3, h, w), in metres, of frames stored at a size (width, height) with their truth.

    The truth is brought to the stored size as the depth frames are, by nearest neighbour, and averaged over cells; a
    cell of it is valid where at least half of its pixels are. ValueError where the two are not of the same pairs, the
    stored size does not have these cells, or the flow is not in metres.
    """
    _check(flow_cells, truth, cell, stored_size)
    true_flow, true_counts = _truth_cells(truth, cell, stored_size)
    both = flow_cells.cell_is_valid() & (true_counts >= 0.5 * cell**2)
    expected = true_flow.transpose(0, 2, 3, 1)[both]
    found = flow_cells.flow.astype(np.float32).transpose(0, 2, 3, 1)[both]
    error_mm = 1000 * np.linalg.norm(found - expected, axis=1)
    length_mm = 1000 * np.linalg.norm(expected, axis=1)
    return CellErrors(error_mm, length_mm)


def _check(flow_cells: FlowCells, truth: Truth, cell: int, stored_size: tuple[int, int]) -> None:
    pairs, channels, rows, cols = flow_cells.flow.shape
    width, height = stored_size
    for name, stored, known in (
        ("stride", flow_cells.stride, truth.stride),
        ("number of pairs", pairs, len(truth.flow)),
        ("cell", flow_cells.cell, cell),
        ("(rows, cols)", (rows, cols), (height // cell, width // cell)),
        ("channels", channels, 3),
    ):
        if stored != known:
            raise ValueError(f"{flow_cells.key}: {name} of the flow is {stored}, but {known} to compare with")


def _truth_cells(truth: Truth, cell: int, stored_size: tuple[int, int]) -> tuple[Float, npt.NDArray[np.uint8]]:
    """Truth as cell means (P, 3, h, w) in metres and counts of valid pixels (P, h, w)."""
    means, counts = [], []
    for pair in range(len(truth.flow)):  # one full frame at a time: all of them take gigabytes
        flow, valid = (_nearest(array, stored_size) for array in truth_frame(truth, pair))
        mean, count = cell_means(flow.transpose(2, 0, 1)[None], valid[None] > 0, cell)
        means.append(mean)
        counts.append(count)
    return np.concatenate(means), np.concatenate(counts)


def _nearest(image: npt.NDArray[np.generic], size: tuple[int, int]) -> Float:
    """Reduce as `depth_frames.reduce_depth` does."""
    return np.asarray(cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_NEAREST_EXACT))


def _cell_error(error_mm: Float, length_mm: Float) -> CellError:
    if not len(error_mm):
        return CellError(0, *[float("nan")] * 4)
    values = (np.mean(error_mm), np.median(error_mm), np.mean(length_mm), np.median(length_mm))
    return CellError(len(error_mm), *map(float, values))
