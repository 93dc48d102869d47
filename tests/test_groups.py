from motionpipe.pipeline.groups import group_of
from motionpipe.schemas.recording import Recording


def group(group=None, subject=None):
    return group_of(Recording("left/0", "left/0.avi", {}, subject=subject, group=group))


def test_what_the_adapter_says_comes_first():
    assert group(group="TrumanShow", subject=7) == "TrumanShow"


def test_then_the_subject():
    assert group(subject=7) == "subject-7"


def test_any_other_recording_stands_for_itself():
    assert group() == "left/0"
