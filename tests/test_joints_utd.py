import numpy as np
import pytest
from motionpipe.pipeline.joints_utd import read_utd_joints
from motionpipe.pipeline.skeleton import COLUMNS
from motionpipe.schemas.errors import BadSampleError
from scipy.io import savemat

SKELETON = np.random.default_rng(0).uniform(-1, 3, (20, 3, 7))


def test_joints_come_by_frame(tmp_path):
    savemat(tmp_path / "a.mat", {"d_skel": SKELETON}, do_compression=True)
    joints = read_utd_joints(tmp_path / "a.mat")
    assert (joints.shape, joints.dtype) == ((7, 1, 20, len(COLUMNS)), np.float32)
    np.testing.assert_allclose(joints[:, 0, :, :3], SKELETON.transpose(2, 0, 1), rtol=1e-6)
    assert np.isnan(joints[..., 3:]).all()


def test_a_single_frame(tmp_path):
    savemat(tmp_path / "a.mat", {"d_skel": SKELETON[:, :, 0]})
    assert read_utd_joints(tmp_path / "a.mat").shape == (1, 1, 20, len(COLUMNS))


def test_another_shape(tmp_path):
    savemat(tmp_path / "a.mat", {"d_skel": SKELETON[:19]})
    with pytest.raises(BadSampleError, match="unreadable-mat"):
        read_utd_joints(tmp_path / "a.mat")
