import pytest
from motionpipe.pipeline.groups import group_of
from motionpipe.schemas.recording import Recording


def group(path, label_name=None, subject=None):
    label = None if label_name is None else 0
    return group_of(Recording(path, path, {}, label, label_name, subject=subject))


def test_a_subject_comes_first():
    assert group("v_Archery_g08_c01.avi", subject=7) == "subject-7"


@pytest.mark.parametrize(
    ("path", "label_name", "expected"),
    [
        ("wave/TrumanShow_wave_f_nm_np1_fr_med_26.avi", "wave", "TrumanShow"),
        ("run/TrumanShow_run_l_cm_np2_le_bad_0.avi", "run", "TrumanShow"),  # another action of the same film
        ("x/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "brush_hair", "April_09"),
        ("x/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", None, "April_09_brush_hair"),
        ("x/20060723sfjffbartsinger_wave_h_cm_np1_ri_med_12.avi", "wave", "20060723sfjffbartsinger"),
    ],
)
def test_clips_of_hmdb51_belong_to_their_film(path, label_name, expected):
    assert group(path, label_name) == expected


def test_clips_of_ucf101_belong_to_their_group():
    assert group("Archery/v_Archery_g08_c01.avi", "Archery") == "v_Archery_g08"
    assert group("Archery/v_Archery_g08_c02.avi", "Archery") == "v_Archery_g08"
    assert group("Archery/v_Archery_g09_c01.avi", "Archery") != "v_Archery_g08"


def test_any_other_recording_stands_for_itself():
    assert group("wave/my_wave.mp4", "wave") == "wave/my_wave"
    assert group("a/film_wave_f_nm.mp4", "wave") == "a/film_wave_f_nm"
