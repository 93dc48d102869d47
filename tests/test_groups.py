from motionpipe.pipeline.groups import film_of, group_of
from motionpipe.schemas.recording import Recording


def group(group=None, subject=None):
    return group_of(Recording("left/0", "left/0.avi", {}, subject=subject, group=group))


def test_what_the_adapter_says_comes_first():
    assert group(group="TrumanShow", subject=7) == "TrumanShow"


def test_then_the_subject():
    assert group(subject=7) == "subject-7"


def test_then_the_film_that_the_file_name_tells():
    clip = "wave/TrumanShow_wave_f_nm_np1_fr_med_26.avi"
    assert group_of(Recording(clip, clip, {}, label=0, label_name="wave")) == "TrumanShow"
    assert film_of("Archery/v_Archery_g08_c01.avi", "Archery") == film_of("Archery/v_Archery_g08_c02.avi", "Archery")


def test_any_other_recording_stands_for_itself():
    assert group() == "left/0"
    assert film_of("wave/my_wave.mp4", "wave") != film_of("clap/my_wave.mp4", "clap")
