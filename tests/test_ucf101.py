import pytest
from motionpipe.pipeline.ucf101 import index_ucf101, read_classes, read_list, source_group
from motionpipe.schemas.errors import MotionpipeError

CLASSES = "1 Archery\r\n2 Bowling\r\n"


@pytest.fixture
def source(tmp_path):
    """Four clips of two classes, of which g01 is tested on in split 1 and trained on in the others."""
    folder = tmp_path / "ucfTrainTestlist"
    folder.mkdir()
    (folder / "classInd.txt").write_text(CLASSES)
    for number in (1, 2, 3):
        first, second = ("test", "train") if number == 1 else ("train", "test")
        for part, group in ((first, 1), (second, 2)):
            label = [" 1", " 2"] if part == "train" else ["", ""]
            rows = [f"{c}/v_{c}_g{group:02d}_c01.avi{label[i]}" for i, c in enumerate(("Archery", "Bowling"))]
            (folder / f"{part}list{number:02d}.txt").write_text("\r\n".join(rows) + "\r\n")
    for name in ("Archery", "Bowling"):
        (tmp_path / "UCF-101" / name).mkdir(parents=True)
        for group in (1, 2):
            (tmp_path / "UCF-101" / name / f"v_{name}_g{group:02d}_c01.avi").touch()
    return tmp_path


def test_clips_have_their_class_and_their_part_in_three_splits(source):
    index = index_ucf101(source)
    assert [(r.recording_id, r.label, r.label_name, r.group) for r in index.recordings] == [
        ("Archery/v_Archery_g01_c01.avi", 0, "Archery", "v_Archery_g01"),
        ("Archery/v_Archery_g02_c01.avi", 0, "Archery", "v_Archery_g02"),
        ("Bowling/v_Bowling_g01_c01.avi", 1, "Bowling", "v_Bowling_g01"),
        ("Bowling/v_Bowling_g02_c01.avi", 1, "Bowling", "v_Bowling_g02"),
    ]
    assert index.recordings[0].splits == {"split1": "test", "split2": "train", "split3": "train"}
    assert index.recordings[1].splits == {"split1": "train", "split2": "test", "split3": "test"}
    assert index.notes == ("4 of 4 listed clips of UCF101 found",)


@pytest.mark.parametrize("move", [("UCF-101", "videos"), ("UCF-101/Archery", "Archery"), ("ucfTrainTestlist", None)])
def test_layouts_give_the_same_recordings(source, move):
    ids = [r.recording_id for r in index_ucf101(source).recordings]
    old, new = move
    if new is None:
        for file in (source / old).iterdir():
            file.rename(source / file.name)
    else:
        (source / old).rename(source / new)
    assert [r.recording_id for r in index_ucf101(source).recordings] == ids


def test_a_partial_copy(source):
    (source / "UCF-101/Archery/v_Archery_g01_c01.avi").unlink()
    assert index_ucf101(source).notes == ("3 of 4 listed clips of UCF101 found",)


@pytest.mark.parametrize("name", ["classInd.txt", "trainlist01.txt", "testlist03.txt"])
def test_a_missing_list_is_named(source, name):
    (source / "ucfTrainTestlist" / name).unlink()
    with pytest.raises(MotionpipeError, match=name):
        index_ucf101(source)


@pytest.mark.parametrize(
    "line", ["Archery/a.avi 2", "Fencing/a.avi 1", "a.avi 1", "x/Archery/a.avi 1", "Archery/a.avi 1 1"]
)
def test_a_line_that_makes_no_sense(line):
    with pytest.raises(MotionpipeError, match="list, line 2"):
        read_list(f"Archery/b.avi 1\n{line}\n", "list", read_classes(CLASSES))


@pytest.mark.parametrize("text", ["", "2 Archery\n", "1 Archery\n3 Bowling\n", "Archery\n"])
def test_classes_that_make_no_sense(text):
    with pytest.raises(MotionpipeError, match="classInd"):
        read_classes(text)


def test_groups():
    assert source_group("v_Archery_g08_c01", "Archery") == source_group("v_Archery_g08_c12", "Archery")
    assert source_group("v_Archery_g08_c01", "Archery") != source_group("v_Archery_g09_c01", "Archery")
