import numpy as np
import pytest
from motionpipe.schemas.flow import FlowCells, FlowPixels

FLOW = np.zeros((2, 3, 4, 5), dtype=np.float16)
VALID = np.full((2, 4, 5), 16, dtype=np.uint8)


@pytest.mark.parametrize(
    ("flow", "valid", "stride", "cell", "message"),
    [
        (FLOW.astype(np.float32), VALID, 1, 4, "float16"),
        (FLOW[:, :1], VALID, 1, 4, "float16"),
        (FLOW[0], VALID, 1, 4, "float16"),
        (FLOW, VALID[:1], 1, 4, "valid must be"),
        (FLOW, VALID.astype(np.int64), 1, 4, "valid must be"),
        (FLOW, VALID, 0, 4, "stride 0"),
        (FLOW, VALID, 1, 16, "cell 16"),
        (FLOW, VALID + 1, 1, 4, "more pixels"),
        (np.full_like(FLOW, np.inf), VALID, 1, 4, "not finite"),
    ],
)
def test_flow_that_makes_no_sense_is_refused(flow, valid, stride, cell, message):
    with pytest.raises(ValueError, match=f"a: .*{message}"):
        FlowCells("a", flow, valid, stride, cell)


def test_a_cell_counts_from_half_of_its_pixels_on():
    valid = np.array([0, 7, 8, 16], dtype=np.uint8).reshape(1, 1, 4)
    cells = FlowCells("a", np.zeros((1, 2, 1, 4), np.float16), valid, 1, 4)
    assert cells.cell_is_valid().tolist() == [[[False, False, True, True]]]
    odd = FlowCells("a", np.zeros((1, 2, 1, 4), np.float16), np.array([[[4, 5, 9, 0]]], np.uint8), 1, 3)
    assert odd.cell_is_valid().tolist() == [[[False, True, True, False]]]


def test_motion_is_the_mean_length_over_valid_cells_of_each_pair():
    flow = np.zeros((3, 2, 1, 3), dtype=np.float16)
    flow[0, :, 0, 0], flow[0, :, 0, 1], flow[0, :, 0, 2] = (3, 4), (0, 1), (100, 0)
    flow[1, 0] = 2
    valid = np.array([[[1, 1, 0]], [[1, 1, 1]], [[0, 0, 0]]], dtype=np.uint8)
    assert FlowCells("a", flow, valid, 2, 1).motion() == (3.0, 2.0, 0.0)


def test_motion_does_not_overflow_half_precision():
    flow = np.full((1, 2, 1, 1), 60_000, dtype=np.float16)
    (length,) = FlowCells("a", flow, np.ones((1, 1, 1), np.uint8), 1, 1).motion()
    assert length == pytest.approx(60_000 * 2**0.5, rel=1e-3)


def dense(flow=None, valid=None):
    flow = np.zeros((2, 2, 4, 5), np.float16) if flow is None else flow
    valid = np.ones((2, 4, 5), np.uint8) if valid is None else valid
    return FlowPixels("k", flow, valid)


@pytest.mark.parametrize(
    ("flow", "valid", "message"),
    [
        (np.zeros((2, 2, 4, 5), np.float32), None, "float16"),
        (np.zeros((2, 4, 4, 5), np.float16), None, "float16"),
        (None, np.ones((2, 4, 4), np.uint8), "valid_px must be uint8"),
        (None, np.full((2, 4, 5), 2, np.uint8), "0 or 1"),
        (np.full((2, 2, 4, 5), np.inf, np.float16), None, "finite"),
        (np.ones((2, 2, 4, 5), np.float16), np.zeros((2, 4, 5), np.uint8), "0 where it is not valid"),
    ],
)
def test_dense_flow_that_cannot_be_is_refused(flow, valid, message):
    dense()
    with pytest.raises(ValueError, match=message):
        dense(flow, valid)
