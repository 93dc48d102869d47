import numpy as np
import pytest
from motionpipe.pipeline.pair_pictures import FlowPair, frame_with_arrows, in_pixels, pair_scales, widened


def pair_of(flow, known=None, cell=4):
    flow = np.asarray(flow, np.float32)
    frame = np.full((flow.shape[1] * cell, flow.shape[2] * cell, 3), 90, np.uint8)
    return FlowPair(frame, flow, np.ones(flow.shape[1:], np.bool_) if known is None else known, cell)


@pytest.mark.parametrize(
    ("box", "grid", "expected"),
    [
        ((slice(0, 20), slice(10, 14)), (20, 40), (slice(0, 20), slice(4, 19))),  # 15 wide, around 12
        ((slice(0, 20), slice(0, 4)), (20, 40), (slice(0, 20), slice(0, 15))),  # moved in from the left side
        ((slice(0, 20), slice(36, 40)), (20, 40), (slice(0, 20), slice(25, 40))),
        ((slice(0, 20), slice(1, 3)), (20, 8), (slice(0, 20), slice(0, 8))),  # no more room than the grid has
        ((slice(3, 9), slice(2, 8)), (20, 20), (slice(3, 9), slice(2, 8))),
    ],
)
def test_a_narrow_box_is_widened_inside_the_grid(box, grid, expected):
    assert widened(box, grid, 0.75) == expected


def test_a_box_in_pixels():
    assert in_pixels((slice(1, 3), slice(0, 5)), 4) == (slice(4, 12), slice(0, 20))


def test_scales_are_common_and_leave_unknown_cells_out():
    small, large = np.full((3, 4, 4), 0.01), np.full((3, 4, 4), 0.1)
    known = np.ones((4, 4), np.bool_)
    known[0] = False
    large[:, 0] = 9.0
    across, away = pair_scales([pair_of(small), pair_of(large, known)])
    assert across == pytest.approx(0.15)  # 0.1 to the right and down are 0.141
    assert away == pytest.approx(0.1)


def test_arrows_are_drawn_where_the_flow_counts():
    flow = np.zeros((2, 10, 10))
    flow[0] = 3.0
    known = np.zeros((10, 10), np.bool_)
    known[4:6, 4:6] = True
    drawn, factor = frame_with_arrows(pair_of(flow, known), (slice(0, 10), slice(0, 10)))
    assert drawn.shape == (440, 440, 3)
    assert factor == 2.0  # 3 px of cells 4 px apart: at most two places of the grid
    changed = np.argwhere((drawn != 90).any(axis=2))
    assert changed.min(axis=0).min() >= 4 * 44
    assert changed[:, 0].max() < 6 * 44
