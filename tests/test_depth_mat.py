import numpy as np
import pytest
from motionpipe.pipeline.depth_frames import iterate_depth
from motionpipe.pipeline.depth_mat import iterate_depth_mat
from motionpipe.schemas.errors import BadSampleError
from scipy.io import savemat

DEPTH = np.random.default_rng(0).integers(0, 600, (24, 32, 5)).astype(np.uint16)


def write(tmp_path, array, name="depth"):
    savemat(tmp_path / "a.mat", {name: array}, do_compression=True)
    return tmp_path / "a.mat"


def reason_of(path):
    with pytest.raises(BadSampleError) as error:
        list(iterate_depth(path))
    return error.value.reason


@pytest.mark.parametrize("name", ["depth", "d_depth"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_frames_come_in_order(tmp_path, name, dtype):
    frames = list(iterate_depth_mat(write(tmp_path, DEPTH.astype(dtype), name)))
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint16)}
    np.testing.assert_array_equal(frames, DEPTH.transpose(2, 0, 1))


def test_a_single_frame(tmp_path):
    np.testing.assert_array_equal(list(iterate_depth(write(tmp_path, DEPTH[:, :, 0]))), [DEPTH[:, :, 0]])


def test_the_unit_turns_steps_into_millimetres(tmp_path):
    frames = np.stack(list(iterate_depth(write(tmp_path, DEPTH), 5.0)))
    np.testing.assert_array_equal(frames, DEPTH.transpose(2, 0, 1) * 5)


@pytest.mark.parametrize("value", [-1.0, 70_000.0, np.nan, np.inf])
def test_values_that_are_no_depths(tmp_path, value):
    depth = DEPTH.astype(np.float64)
    depth[3, 4, 2] = value
    assert reason_of(write(tmp_path, depth)) == "unreadable-depth"


def test_an_array_without_frames(tmp_path):
    assert reason_of(write(tmp_path, DEPTH[:, :, :0])) == "no-depth-frames"
