"""Flow error against truths whose answer is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from motionpipe.pipeline.flow_error import flow_error_mm
from motionpipe.pipeline.scene_truth import Truth
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow import FlowCells

CELL = 4
SIZE = (16, 12)  # width, height of the stored frames: half of the depth images, 4 x 3 cells
STEP = np.array([0.0, 0.03125, 0.0])  # m, exact in float16
SHIFT = np.array([0.00390625, 0.0, 0.0])  # m
STEP_MM, SHIFT_MM = 31.25, 3.90625


def still_and_moving() -> Truth:
    """Two pairs of 32x24 px. Crop: rows 8 to 24, columns 0 to 32; its left half stands still, the right half moves."""
    flow = np.zeros((2, 16, 32, 3), dtype=np.float16)
    flow[:, :, 16:] = STEP
    camera = Camera(30.0, 30.0, 15.5, 11.5, width=32, height=24)
    return Truth(flow, np.ones(flow.shape[:3], dtype=bool), (0, 8), camera, stride=2, fps=10.0)


def cells(flow: npt.NDArray[np.float64]) -> FlowCells:
    """Stored flow of two pairs, all pixels valid; flow is broadcast to (2, 3 rows, 4 columns, 3)."""
    stored = np.broadcast_to(flow, (2, 3, 4, 3)).transpose(0, 3, 1, 2).astype(np.float16)
    return FlowCells("one", stored, np.full((2, 3, 4), CELL**2, dtype=np.uint8), stride=2, cell=CELL)


def perfect() -> npt.NDArray[np.float64]:
    """Rows 1 and 2 of the cells are on the figure; what is stored above it does not count."""
    flow = np.full((2, 3, 4, 3), 9.0)
    flow[:, 1:] = 0
    flow[:, 1:, 2:] = STEP
    return flow


def test_perfect_flow_has_no_error() -> None:
    error = flow_error_mm(cells(perfect()), still_and_moving(), CELL, SIZE)
    assert (error.every.num_cells, error.moving.num_cells) == (2 * 2 * 4, 2 * 2 * 2)
    assert (error.every.mean_mm, error.every.median_mm, error.moving.mean_mm) == (0, 0, 0)
    assert error.every.zero_mean_mm == pytest.approx(STEP_MM / 2)
    assert error.moving.zero_median_mm == pytest.approx(STEP_MM)


def test_shifted_flow_is_wrong_by_the_shift() -> None:
    error = flow_error_mm(cells(perfect() + SHIFT), still_and_moving(), CELL, SIZE)
    for part in (error.every, error.moving):
        assert (part.mean_mm, part.median_mm) == pytest.approx((SHIFT_MM, SHIFT_MM))


def test_zero_flow_is_wrong_by_the_mean_motion() -> None:
    error = flow_error_mm(cells(np.zeros(3)), still_and_moving(), CELL, SIZE)
    for part in (error.every, error.moving):
        assert (part.mean_mm, part.median_mm) == (part.zero_mean_mm, part.zero_median_mm)
    assert error.every.mean_mm == pytest.approx(STEP_MM / 2)
    assert error.moving.mean_mm == pytest.approx(STEP_MM)


def test_cells_count_where_half_of_both_is_valid() -> None:
    truth, stored = still_and_moving(), cells(perfect())
    # Stored pixels are every other one of the truth: 2 of 4 rows of a cell are just enough, 1 is not.
    seen = truth.valid.copy()
    seen[0, 0:4, 0:8] = False
    seen[1, 0:6, 0:8] = False
    known = stored.valid.copy()
    known[0, 2, 3] = CELL**2 // 2 - 1
    flow = np.where(seen[..., None], truth.flow, np.float16(9.0))
    error = flow_error_mm(replace(stored, valid=known), replace(truth, valid=seen, flow=flow), CELL, SIZE)
    assert (error.every.num_cells, error.moving.num_cells) == (16 - 2, 8 - 1)
    assert error.every.mean_mm == 0  # hidden pixels take no part in the mean


def test_nothing_to_compare_is_not_a_number() -> None:
    truth = still_and_moving()
    error = flow_error_mm(cells(perfect()), replace(truth, valid=np.zeros_like(truth.valid)), CELL, SIZE)
    assert error.every.num_cells == 0
    assert np.isnan(error.every.mean_mm)
    assert np.isnan(error.moving.zero_median_mm)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"stride": 1}, "stride"), ({"cell": 5}, "cell"), ({"flow": np.zeros((2, 2, 3, 4), np.float16)}, "channels")],
)
def test_flow_of_another_kind_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flow_error_mm(replace(cells(perfect()), **wrong), still_and_moving(), CELL, SIZE)


def test_flow_of_other_pairs_or_frames_is_refused() -> None:
    truth = still_and_moving()
    with pytest.raises(ValueError, match="pairs"):
        flow_error_mm(cells(perfect()), replace(truth, flow=truth.flow[:1], valid=truth.valid[:1]), CELL, SIZE)
    with pytest.raises(ValueError, match="rows"):
        flow_error_mm(cells(perfect()), truth, CELL, (32, 24))
