import pytest
from motionpipe.pipeline.listed_clips import ListedClip, index_clips
from motionpipe.schemas.errors import MotionpipeError

CLASSES = ("clap", "wave")


def lists():
    return {
        "1.avi": ListedClip("wave", {"split1": "train"}),
        "2.avi": ListedClip("clap", {"split1": "test"}),
        "3.avi": ListedClip("clap"),
    }


def index(*paths):
    return index_clips("SET", lists(), CLASSES, paths, lambda stem, label: f"{stem} of {label}")


def test_clips_are_known_by_their_names_wherever_they_lie():
    found = index("videos/wave/1.avi", "2.avi", "other/3.avi")
    assert [(r.recording_id, r.files["rgb"], r.label, r.splits) for r in found.recordings] == [
        ("clap/2.avi", "2.avi", 0, {"split1": "test"}),
        ("clap/3.avi", "other/3.avi", 0, {}),
        ("wave/1.avi", "videos/wave/1.avi", 1, {"split1": "train"}),
    ]
    assert [r.group for r in found.recordings] == ["2 of clap", "3 of clap", "1 of wave"]
    assert found.notes == ("3 of 3 listed clips of SET found",)


def test_other_clips_take_no_part():
    found = index("wave/1.avi", "wave/9.avi", "extra/8.avi")
    assert [(r.recording_id, r.label_name, r.splits) for r in found.recordings] == [
        ("extra/8.avi", None, {}),
        ("wave/1.avi", "wave", {"split1": "train"}),
        ("wave/9.avi", "wave", {}),
    ]
    assert found.notes == (
        "1 of 3 listed clips of SET found",
        "2 other clips are in no list and take no part in any split",
    )


def test_nothing_that_is_listed():
    with pytest.raises(MotionpipeError, match="none of the 3 clips that the lists of SET name"):
        index("wave/9.avi")


def test_a_clip_that_is_there_twice():
    with pytest.raises(MotionpipeError, match="there twice"):
        index("wave/1.avi", "clap/1.avi")


def test_a_clip_in_both_parts_of_a_split():
    clip = ListedClip("wave")
    clip.add("split1", "train", "1.avi")
    clip.add("split1", "train", "1.avi")
    clip.add("split2", "test", "1.avi")
    with pytest.raises(MotionpipeError, match=r"split1 hold 1.avi in both parts"):
        clip.add("split1", "test", "1.avi")
    assert clip.splits == {"split1": "train", "split2": "test"}
