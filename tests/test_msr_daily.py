import pytest
from motionpipe.pipeline.kinect_v1 import DEPTH_CAMERA
from motionpipe.pipeline.msr_daily import ACTIVITIES, index_msr_daily
from motionpipe.schemas.errors import MotionpipeError


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_sequence_gathers_its_streams(tmp_path):
    name = "a02_s03_e01"
    make(tmp_path, f"{name}_depth.bin", f"video/{name}_rgb.avi", f"{name}_skeleton.txt", f"{name}_depth.txt")
    index = index_msr_daily(tmp_path)
    (recording,) = index.recordings
    assert recording.files == {
        "rgb": f"video/{name}_rgb.avi",
        "depth": f"{name}_depth.bin",
        "skeleton": f"{name}_skeleton.txt",
    }
    assert (recording.recording_id, recording.path, recording.subject) == (name, name, 3)
    assert (recording.label, recording.label_name, recording.splits) == (1, "eat", {"xsub": "train"})
    assert (recording.depth_camera, recording.depth_unit_mm) == (DEPTH_CAMERA, 1.0)
    assert (recording.fps, recording.relative_time) == (30.0, True)
    assert index.notes == ("1 of 320 sequences of MSR Daily Activity found",)


def test_odd_subjects_train(tmp_path):
    make(tmp_path, *(f"a01_s{s:02d}_e01_depth.bin" for s in range(1, 11)))
    recordings = index_msr_daily(tmp_path).recordings
    assert [r.splits["xsub"] for r in recordings] == ["train", "test"] * 5


def test_sixteen_activities(tmp_path):
    assert len(set(ACTIVITIES)) == 16
    make(tmp_path, *(f"a{a:02d}_s01_e01_rgb.avi" for a in range(20)))
    assert [r.label for r in index_msr_daily(tmp_path).recordings] == list(range(16))
    assert (ACTIVITIES[8], ACTIVITIES[15]) == ("sit still", "sit down")


def test_nothing_to_find(tmp_path):
    make(tmp_path, "a01_s01_e01_sdepth.bin", "readme.txt")
    with pytest.raises(MotionpipeError, match=r"expected aAA_sSS_eEE_depth.bin"):
        index_msr_daily(tmp_path)
