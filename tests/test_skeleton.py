import numpy as np
import pytest
from motionpipe.pipeline.skeleton import COLUMNS, JOINTS, read_ntu_skeleton
from motionpipe.schemas.errors import BadSampleError

TAKEN = [0, 1, 2, 3, 4, 5, 6, 11]


def two_bodies(frames=3):
    """Joints (T, 2, 25, 12) of which every number is different; the last column is the tracking state 0, 1 or 2."""
    values = np.arange(frames * 2 * 25 * 12, dtype=np.float64).reshape(frames, 2, 25, 12) / 8
    values[..., 11] = np.arange(25) % 3
    return values


def test_joints_come_back_by_frame_body_and_column(tmp_path, skeleton_text):
    file = tmp_path / "a.skeleton"
    file.write_text(skeleton_text(two_bodies()))
    joints = read_ntu_skeleton(file)
    assert (joints.shape, joints.dtype, len(COLUMNS)) == ((3, 2, JOINTS, 8), np.float32, 8)
    np.testing.assert_allclose(joints, two_bodies()[..., TAKEN], rtol=1e-6)


def test_frames_with_fewer_bodies_hold_nan(tmp_path, skeleton_text):
    file = tmp_path / "a.skeleton"
    file.write_text(skeleton_text(two_bodies(), bodies=[2, 0, 1]))
    joints = read_ntu_skeleton(file)
    assert np.isnan(joints).all(axis=(2, 3)).tolist() == [[False, False], [True, True], [False, True]]
    np.testing.assert_allclose(joints[2, 0], two_bodies()[2, 0][:, TAKEN], rtol=1e-6)


def test_a_recording_in_which_nobody_was_seen(tmp_path, skeleton_text):
    file = tmp_path / "a.skeleton"
    file.write_text(skeleton_text(two_bodies(), bodies=[0, 0, 0]))
    assert read_ntu_skeleton(file).shape == (3, 0, JOINTS, 8)


def test_values_that_were_not_measured_stay_nan(tmp_path, skeleton_text):
    joints = two_bodies()
    joints[1, 0, 3, 5:7] = np.nan
    file = tmp_path / "a.skeleton"
    file.write_text(skeleton_text(joints))
    assert np.argwhere(np.isnan(read_ntu_skeleton(file))).tolist() == [[1, 0, 3, 5], [1, 0, 3, 6]]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.rsplit(" ", 1)[0],  # the last number is gone
        lambda text: text + "1 2 3",
        lambda text: text.replace("25\r\n", "24\r\n", 1),
        lambda text: text.replace("\r\n2\r\n", "\r\n7\r\n", 1),
        lambda text: "9" + text[1:],
        lambda text: text.replace("0.125", "x.125", 1),
        lambda text: "three" + text[1:],
        lambda text: text.replace("0.125", "0.125µ", 1),
        lambda text: "\0" * 500,
    ],
)
def test_damaged_files_are_bad_samples(tmp_path, skeleton_text, damage):
    text = skeleton_text(two_bodies())
    assert damage(text) != text
    file = tmp_path / "a.skeleton"
    file.write_text(damage(text), encoding="utf-8")
    with pytest.raises(BadSampleError) as error:
        read_ntu_skeleton(file)
    assert error.value.reason == "unreadable-skeleton"


def test_a_missing_file_is_a_bad_sample(tmp_path):
    with pytest.raises(BadSampleError, match="missing-file"):
        read_ntu_skeleton(tmp_path / "a.skeleton")
