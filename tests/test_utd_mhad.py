import pytest
from motionpipe.pipeline.utd_mhad import ACTIONS, index_utd_mhad
from motionpipe.schemas.errors import MotionpipeError


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_sequence_gathers_its_streams(tmp_path):
    name = "a27_s8_t4"
    make(
        tmp_path,
        f"Depth/{name}_depth.mat",
        f"Skeleton/{name}_skeleton.mat",
        f"RGB/{name}_color.avi",
        f"Inertial/{name}_inertial.mat",
    )
    index = index_utd_mhad(tmp_path)
    (recording,) = index.recordings
    assert recording.files == {
        "rgb": f"RGB/{name}_color.avi",
        "depth": f"Depth/{name}_depth.mat",
        "skeleton": f"Skeleton/{name}_skeleton.mat",
    }
    assert (recording.label, recording.label_name, recording.subject) == (26, "squat", 8)
    assert (recording.splits, recording.depth_unit_mm, recording.relative_time) == ({"xsub": "test"}, 1.0, True)
    assert index.notes == ("1 of 861 sequences of UTD-MHAD found", "1 inertial files are not stored")


def test_four_subjects_train(tmp_path):
    make(tmp_path, *(f"a1_s{s}_t1_depth.mat" for s in range(1, 9)))
    assert [r.splits["xsub"] for r in index_utd_mhad(tmp_path).recordings] == ["train", "test"] * 4


def test_twenty_seven_actions(tmp_path):
    assert len(set(ACTIONS)) == 27
    make(tmp_path, *(f"a{a}_s1_t1_depth.mat" for a in range(30)))
    assert sorted(r.label for r in index_utd_mhad(tmp_path).recordings) == list(range(27))


def test_nothing_to_find(tmp_path):
    make(tmp_path, "a1_s1_t1_inertial.mat")
    with pytest.raises(MotionpipeError, match=r"expected aA_sS_tT_depth.mat"):
        index_utd_mhad(tmp_path)
