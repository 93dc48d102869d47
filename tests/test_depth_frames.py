import shutil

import cv2
import numpy as np
import pytest
from motionpipe.pipeline.depth_frames import (
    beside_jump,
    depth_png_files,
    erode_depth,
    iterate_depth,
    median_depth_m,
    reduce_depth,
)
from motionpipe.schemas.errors import BadSampleError

DEPTH = np.random.default_rng(0).integers(0, 9000, (12, 30, 40), dtype=np.uint16)


def reason_of(folder):
    with pytest.raises(BadSampleError) as error:
        list(iterate_depth(folder))
    return error.value.reason


@pytest.mark.parametrize("prefix", ["MDepth", "Depth"])
def test_frames_come_in_the_order_of_their_numbers(tmp_path, write_depth, prefix):
    folder = write_depth(tmp_path / "d", DEPTH, prefix)
    np.testing.assert_array_equal(list(iterate_depth(folder)), DEPTH)
    assert [file.name for file in depth_png_files(folder)][9:11] == [f"{prefix}-{i:08d}.png" for i in (10, 11)]


def test_other_files_are_left_alone(tmp_path, write_depth):
    folder = write_depth(tmp_path / "d", DEPTH[:2])
    (folder / "thumbs.png").write_bytes(b"")
    (folder / "MDepth-00000003.txt").write_bytes(b"")
    assert len(list(iterate_depth(folder))) == 2


@pytest.mark.parametrize("short_side", [7, 11, 15, 29])
def test_depths_are_picked_and_never_mixed(short_side):
    reduced = reduce_depth(DEPTH[0], short_side)
    assert reduced.shape == (short_side, round(40 * short_side / 30))
    assert np.isin(reduced, DEPTH[0]).all()


def test_the_pixel_in_the_middle_is_picked():
    depth = np.arange(33 * 45, dtype=np.uint16).reshape(33, 45)
    np.testing.assert_array_equal(reduce_depth(depth, 11), depth[1::3, 1::3])


@pytest.mark.parametrize("short_side", [30, 400])
def test_depth_is_never_enlarged(short_side):
    np.testing.assert_array_equal(reduce_depth(DEPTH[0], short_side), DEPTH[0])


def test_no_frames(tmp_path):
    assert reason_of(tmp_path) == "no-depth-frames"
    assert reason_of(tmp_path / "absent") == "no-depth-frames"


def test_two_files_of_one_number(tmp_path, write_depth):
    folder = write_depth(tmp_path / "d", np.full((3, 4, 6), 7, np.uint16))
    shutil.copy(folder / "MDepth-00000002.png", folder / "MDepth-2.png")
    with pytest.raises(BadSampleError, match=r"MDepth-00000002.png and MDepth-2.png are both frame 2; remove one"):
        list(iterate_depth(folder))


@pytest.mark.parametrize(
    "content",
    [b"", b"not a png", cv2.imencode(".png", np.zeros((30, 40), np.uint8))[1].tobytes()],
    ids=["no bytes", "text", "8 bits"],
)
def test_a_file_that_is_not_depth(tmp_path, write_depth, content):
    folder = write_depth(tmp_path / "d", DEPTH[:3])
    (folder / "MDepth-00000002.png").write_bytes(content)
    assert reason_of(folder) == "unreadable-depth"


def test_a_truncated_file(tmp_path, write_depth):
    file = depth_png_files(write_depth(tmp_path / "d", DEPTH[:3]))[1]
    file.write_bytes(file.read_bytes()[:-200])
    assert reason_of(tmp_path / "d") == "unreadable-depth"


def test_a_frame_of_another_size(tmp_path, write_depth):
    folder = write_depth(tmp_path / "d", DEPTH[:3])
    assert cv2.imwrite(str(folder / "MDepth-00000004.png"), DEPTH[0][:20])
    assert reason_of(folder) == "depth-size-changes"


def test_erosion_drops_what_is_near_a_hole_and_keeps_the_border():
    depth = np.full((9, 11), 2000, np.uint16)
    depth[4, 5] = 0
    for pixels in (1, 2):
        eroded = erode_depth(depth, pixels)
        assert (eroded == 0).sum() == (2 * pixels + 1) ** 2
        assert not eroded[4 - pixels : 5 + pixels, 5 - pixels : 6 + pixels].any()
    assert erode_depth(depth, 0) is depth
    assert erode_depth(depth, 3).dtype == np.uint16


def test_pixels_beside_a_jump_are_those_within_one_pixel_of_it():
    depth = np.full((5, 8), 2000, np.uint16)
    depth[:, 4:] = 2301
    depth[2, 1] = 0  # no depth is no jump
    beside = np.zeros((5, 8), np.bool_)
    beside[:, 3:5] = True
    np.testing.assert_array_equal(beside_jump(depth, 300), beside)
    assert not beside_jump(depth, 301).any()
    slope = (2000 + 40 * np.arange(8) * np.ones((5, 1))).astype(np.uint16)  # 80 mm within three pixels
    assert beside_jump(slope, 79)[:, 1:-1].all()
    assert not beside_jump(slope, 80).any()


@pytest.mark.parametrize(
    ("values", "median"),
    [([0, 0, 0], None), ([0, 700, 0], 0.7), ([1, 2, 65_535], 0.002), ([0, 0, 0, 0, 3000, 3100, 3200], 3.1)],
)
def test_the_median_is_that_of_the_valid_depths(values, median):
    assert median_depth_m(np.array(values, np.uint16).reshape(-1, 1, 1)) == median
