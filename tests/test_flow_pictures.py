"""Pictures of motion and depth against colours, places and lengths that are known."""

import colorsys

import numpy as np
import pytest
from motionpipe.pipeline.flow_pictures import (
    UNKNOWN_GREY,
    cell_depth,
    depth_colours,
    depth_range,
    diverging_colours,
    draw_arrows,
    image_shift,
    round_up,
    valid_box,
    wheel_colours,
    wheel_legend,
)
from motionpipe.schemas.camera import Camera


def hue_of(rgb):
    return 360 * colorsys.rgb_to_hsv(*(float(c) / 255 for c in rgb))[0]


def one_cell(right, down, scale=1.0):
    return wheel_colours(np.array([[[right]], [[down]]], dtype=np.float32), scale)[0, 0]


def test_zero_flow_is_white_and_unknown_cells_are_grey():
    picture = wheel_colours(np.zeros((2, 1, 2), np.float32), 1.0, np.array([[True, False]]))
    assert picture.tolist() == [[[255] * 3, [UNKNOWN_GREY] * 3]]


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 170])
def test_opposite_directions_have_opposite_hues(degrees):
    x, y = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    difference = (hue_of(one_cell(x, y)) - hue_of(one_cell(-x, -y))) % 360
    assert difference == pytest.approx(180, abs=1.5)


def test_directions_have_the_documented_colours():
    assert one_cell(1, 0).tolist() == [255, 0, 0]
    assert hue_of(one_cell(0, 1)) == pytest.approx(90, abs=1)
    assert hue_of(one_cell(-1, 0)) == pytest.approx(180, abs=1)
    assert hue_of(one_cell(0, -1)) == pytest.approx(270, abs=1)


def test_saturation_grows_with_length_up_to_the_scale():
    half, full, more = one_cell(0.5, 0), one_cell(1, 0), one_cell(7, 0)
    assert half.tolist() == [255, 128, 128]
    assert full.tolist() == more.tolist() == [255, 0, 0]


def test_the_legend_has_the_colours_of_its_directions():
    legend = wheel_legend(101)
    assert legend[50, 50].tolist() == [255, 255, 255]
    assert hue_of(legend[50, 99]) == pytest.approx(0, abs=2)
    assert hue_of(legend[99, 50]) == pytest.approx(90, abs=2)
    assert legend[0, 0].tolist() == [UNKNOWN_GREY] * 3


def test_diverging_colours_are_blue_towards_white_still_red_away():
    picture = diverging_colours(np.array([[-9.0, -1.0, 0.0, 1.0]]), 1.0, np.array([[True, True, True, False]]))[0]
    assert picture[0].tolist() == picture[1].tolist()
    assert picture[0, 2] > picture[0, 0]
    assert (picture[2] >= 245).all()
    assert picture[3].tolist() == [UNKNOWN_GREY] * 3
    red = diverging_colours(np.array([[1.0]]), 1.0)[0, 0]
    assert red[0] > red[2]


def test_near_depth_is_brighter_and_no_depth_is_black():
    depth = np.array([[0, 1000, 2000, 4000]], np.uint16)
    picture = depth_colours(depth, 1000, 4000)[0].astype(int)
    assert picture[0].tolist() == [0, 0, 0]
    assert picture[1].sum() > picture[2].sum() > picture[3].sum() > 0
    near, far = depth_range(depth)
    assert 1000 <= near < 1100
    assert 3900 < far <= 4000
    assert depth_range(np.zeros((2, 2), np.uint16)) == (0.0, 1.0)


def test_cell_depth_is_the_mean_of_valid_pixels():
    depth = np.array([[1000, 3000, 0, 0, 7], [0, 2000, 0, 0, 7]], np.uint16)
    np.testing.assert_allclose(cell_depth(depth, 2), [[2.0, 0.0]])


def test_image_shift_of_a_plane():
    camera = Camera(fx=100, fy=100, cx=7.5, cy=7.5, width=16, height=16)
    depth = np.full((4, 4), 2.0)
    sideways = np.zeros((3, 4, 4))
    sideways[0] = 0.1  # at 2 m and f = 100 px this is 5 px
    np.testing.assert_allclose(image_shift(sideways, depth, camera, 4)[0], 5, atol=1e-4)
    away = np.zeros((3, 4, 4))
    away[2] = 2.0  # twice as far, half as far from the principal point
    centres = np.arange(4) * 4 + 1.5
    np.testing.assert_allclose(image_shift(away, depth, camera, 4)[0, 0], -(centres - 7.5) / 2, atol=1e-4)
    depth[1, 1] = 0
    assert not image_shift(sideways, depth, camera, 4)[:, 1, 1].any()


def test_arrows_point_where_the_motion_goes():
    frame = np.full((40, 80, 3), 90, np.uint8)
    shift = np.zeros((2, 1, 2), np.float32)
    shift[0] = 10
    picture = draw_arrows(frame, shift, 40, np.array([[True, False]]), factor=2.0)
    changed = np.nonzero((picture != frame).any(axis=(0, 2)))[0]
    assert 16 <= changed.min() <= 20
    assert 40 <= changed.max() <= 44
    assert (frame == 90).all()
    np.testing.assert_array_equal(draw_arrows(frame, 0 * shift, 40, np.ones((1, 2), np.bool_)), frame)


def test_valid_box_surrounds_the_known_cells():
    known = np.zeros((10, 20), np.bool_)
    known[4:6, 1] = True
    assert valid_box(known, 2) == (slice(2, 8), slice(0, 4))
    assert valid_box(np.zeros((3, 5), np.bool_), 1) == (slice(0, 3), slice(0, 5))


@pytest.mark.parametrize(("value", "rounded"), [(0.0, 1), (0.013, 0.015), (2.0, 2), (0.11, 0.15), (8.1, 10), (96, 100)])
def test_round_up(value, rounded):
    assert round_up(value) == pytest.approx(rounded)
