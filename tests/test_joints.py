import numpy as np
import pytest
from motionpipe.pipeline.joints import read_joints, stored_joints
from motionpipe.pipeline.kinect_v1 import DEPTH_CAMERA
from motionpipe.pipeline.skeleton import COLUMNS
from motionpipe.schemas.recording import Recording
from scipy.io import savemat


def zeros_and_ones(path):
    """Three frames of one body in the format that the name stands for; x = y = z = 1."""
    if path.suffix.lower() == ".mat":
        savemat(path, {"d_skel": np.ones((20, 3, 3))}, appendmat=False)
    elif path.name.lower().endswith("3d.txt"):
        path.write_text("1 1 1 1\n" * 60)
    else:
        path.write_text("3 20\n" + ("40\n" + "1 1 1 1\n0.5 0.5 1 1\n" * 20) * 3)
    return path


@pytest.mark.parametrize("change", [str, str.upper])
@pytest.mark.parametrize("name", ["a1_s1_t1_skeleton.mat", "a01_s01_e01_skeleton3D.txt", "a01_s01_e01_skeleton.txt"])
def test_the_name_in_any_case_says_which_format_it_is(tmp_path, name, change):
    joints = read_joints(zeros_and_ones(tmp_path / change(name)))
    assert joints.shape == (3, 1, 20, len(COLUMNS))
    assert (joints[..., :3] == 1).all()


def test_ntu_skeletons(tmp_path, skeleton_text):
    (tmp_path / "a.skeleton").write_text(skeleton_text(np.ones((2, 1, 25, 12))))
    assert read_joints(tmp_path / "a.skeleton").shape == (2, 1, 25, len(COLUMNS))


def test_positions_are_scaled_to_the_stored_frames():
    recording = Recording(
        "a", "a", {"depth": "a"}, depth_camera=DEPTH_CAMERA, color_size=(640, 480), relative_time=True
    )
    joints = np.zeros((1, 1, 1, 8), np.float32)
    joints[..., 3:7] = 159.5, 119.5, 639.5, 479.5  # the middle, and the far corner
    stored = stored_joints(joints, recording, {"depth": (160, 120), "rgb": (320, 240)})
    np.testing.assert_allclose(stored[0, 0, 0, 3:7], [79.5, 59.5, 319.5, 239.5])
    np.testing.assert_array_equal(stored_joints(joints, recording, {})[0, 0, 0], joints[0, 0, 0])
