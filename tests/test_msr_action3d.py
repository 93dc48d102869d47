import pytest
from motionpipe.pipeline.kinect_v1 import DEPTH_CAMERA
from motionpipe.pipeline.msr_action3d import ACTIONS, index_msr_action3d
from motionpipe.schemas.errors import MotionpipeError


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_sequence_gathers_its_streams(tmp_path):
    name = "a20_s04_e03"
    make(tmp_path, f"d/{name}_sdepth.mat", f"s3/{name}_skeleton3D.txt", f"s2/{name}_skeleton.txt")
    index = index_msr_action3d(tmp_path)
    (recording,) = index.recordings
    assert recording.files == {
        "depth": f"d/{name}_sdepth.mat",
        "skeleton": f"s3/{name}_skeleton3D.txt",
        "skeleton_screen": f"s2/{name}_skeleton.txt",
    }
    assert (recording.label, recording.label_name) == (19, "pick up and throw")
    assert (recording.subject, recording.splits) == (4, {"xsub": "test"})
    assert (recording.fps, recording.depth_unit_mm, recording.depth_camera) == (15.0, 5.0, DEPTH_CAMERA)
    assert index.notes == ("1 of 567 sequences of MSR Action3D found",)


def test_the_original_container_comes_first(tmp_path):
    make(tmp_path, "a01_s01_e01_sdepth.mat", "a01_s01_e01_sdepth.bin")
    assert index_msr_action3d(tmp_path).recordings[0].files == {"depth": "a01_s01_e01_sdepth.bin"}


def test_odd_subjects_train(tmp_path):
    make(tmp_path, *(f"a01_s{s:02d}_e01_sdepth.bin" for s in range(1, 11)))
    assert [r.splits["xsub"] for r in index_msr_action3d(tmp_path).recordings] == ["train", "test"] * 5
    assert len(set(ACTIONS)) == 20


def test_nothing_to_find(tmp_path):
    make(tmp_path, "a01_s01_e01_depth.bin", "a21_s01_e01_sdepth.bin")
    with pytest.raises(MotionpipeError, match=r"expected aAA_sSS_eEE_sdepth.bin"):
        index_msr_action3d(tmp_path)
