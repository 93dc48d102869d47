import pytest
from motionpipe.pipeline.hmdb51 import index_hmdb51, read_list, source_film
from motionpipe.schemas.errors import MotionpipeError

TAGS = "f_cm_np1_ri_med"


@pytest.fixture
def source(tmp_path):
    """Three listed clips of each of two classes and one that no list names."""
    splits = tmp_path / "testTrainMulti_7030_splits"
    splits.mkdir()
    for name in ("wave", "brush_hair"):
        for number in (1, 2, 3):
            parts = [(i + number) % 3 for i in range(3)]
            rows = [f"Film{i}_{name}_{TAGS}_{i}.avi {part} " for i, part in enumerate(parts)]
            (splits / f"{name}_test_split{number}.txt").write_text("\n".join(rows) + "\n")
        (tmp_path / "videos" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "videos" / name / f"Film{i}_{name}_{TAGS}_{i}.avi").touch()
    (tmp_path / "videos/wave/Film@_wave_f_cm_np1_ri_med_9.avi").touch()
    return tmp_path


def test_1_is_train_2_is_test_and_0_is_unused(source):
    index = index_hmdb51(source)
    splits = {r.recording_id: r.splits for r in index.recordings if r.label_name == "wave"}
    assert splits[f"wave/Film0_wave_{TAGS}_0.avi"] == {"split1": "train", "split2": "test"}
    assert splits[f"wave/Film1_wave_{TAGS}_1.avi"] == {"split1": "test", "split3": "train"}
    assert splits[f"wave/Film2_wave_{TAGS}_2.avi"] == {"split2": "train", "split3": "test"}
    assert splits["wave/Film@_wave_f_cm_np1_ri_med_9.avi"] == {}
    assert index.notes == (
        "6 of 6 listed clips of HMDB51 found",
        "1 other clips are in no list and take no part in any split",
    )


def test_classes_are_numbered_in_order_and_films_are_groups(source):
    recordings = index_hmdb51(source).recordings
    assert [(r.label, r.label_name) for r in recordings[:4:3]] == [(0, "brush_hair"), (1, "wave")]
    assert [r.group for r in recordings[:4]] == ["Film0", "Film1", "Film2", "Film0"]


def test_class_folders_without_a_folder_above(source):
    ids = [r.recording_id for r in index_hmdb51(source).recordings]
    for folder in (source / "videos").iterdir():
        folder.rename(source / folder.name)
    assert [r.recording_id for r in index_hmdb51(source).recordings] == ids


def test_missing_lists_are_named(source):
    splits = source / "testTrainMulti_7030_splits"
    (splits / "wave_test_split2.txt").unlink()
    with pytest.raises(MotionpipeError, match=r"wave_test_split2.txt is missing"):
        index_hmdb51(source)
    for file in splits.iterdir():
        file.unlink()
    with pytest.raises(MotionpipeError, match=r"testTrainMulti_7030_splits/CLASS_test_split1.txt"):
        index_hmdb51(source)


def test_names_may_hold_spaces():
    assert read_list("a b.avi 1 \r\n\r\nc.avi 0\n", "x") == {"a b.avi": "train", "c.avi": None}


@pytest.mark.parametrize("line", ["a.avi", "a.avi 3", "1", "b.avi 2"])
def test_a_line_that_makes_no_sense(line):
    with pytest.raises(MotionpipeError, match="list, line 2"):
        read_list(f"b.avi 1\n{line}\n", "list")


@pytest.mark.parametrize(
    ("stem", "label_name", "expected"),
    [
        ("TrumanShow_wave_f_nm_np1_fr_med_26", "wave", "TrumanShow"),
        ("TrumanShow_run_l_cm_np2_le_bad_0", "run", "TrumanShow"),  # another action of the same film
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", "brush_hair", "April_09"),
        ("20060723sfjffbartsinger_wave_h_cm_np1_ri_med_12", "wave", "20060723sfjffbartsinger"),
        ("my_clip", "wave", "my_clip"),
    ],
)
def test_clips_belong_to_their_film(stem, label_name, expected):
    assert source_film(stem, label_name) == expected
