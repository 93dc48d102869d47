import pytest
from motionpipe.pipeline.ntu import (
    DEPTH_CAMERA,
    MISSING_SKELETONS,
    PROTOCOLS,
    XSUB120_TRAIN,
    XSUB_TRAIN,
    read_missing_skeletons,
)
from motionpipe.pipeline.ntu import index_ntu as index
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recipe import DataSection


def index_ntu(source, **data):
    return index(source, DataSection(**data)).recordings


def make(root, *names):
    """Empty files, and folders where a name ends with a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def test_a_recording_gathers_its_streams(tmp_path):
    name = "S001C002P003R002A059"
    (recording,) = index_ntu(
        make(
            tmp_path,
            f"nturgb+d_rgb/{name}_rgb.avi",
            f"nturgb+d_depth_masked/{name}/",
            f"nturgb+d_depth/{name}/",
            f"nturgb+d_skeletons/{name}.skeleton",
        )
    )
    assert recording.files == {
        "rgb": f"nturgb+d_rgb/{name}_rgb.avi",
        "depth": f"nturgb+d_depth_masked/{name}",
        "skeleton": f"nturgb+d_skeletons/{name}.skeleton",
    }
    assert (recording.recording_id, recording.path) == (name, name)
    assert (recording.setup, recording.camera, recording.subject, recording.fps) == (1, 2, 3, 30.0)
    assert (recording.label, recording.label_name) == (58, "walk towards each other")
    assert recording.splits == {"xsub": "test", "xview": "train", "xsub120": "test", "xset120": "test"}


def test_a_partial_copy_is_indexed_in_order_of_names(tmp_path):
    make(
        tmp_path,
        "nturgb+d_skeletons/S002C001P001R001A001.skeleton",
        "nturgb+d_depth/S001C003P001R001A002/",
        "nturgb+d_rgb/S001C001P001R001A003_rgb.avi",
    )
    recordings = index_ntu(tmp_path)
    assert [(r.recording_id, list(r.files)) for r in recordings] == [
        ("S001C001P001R001A003", ["rgb"]),
        ("S001C003P001R001A002", ["depth"]),
        ("S002C001P001R001A001", ["skeleton"]),
    ]
    assert recordings[1].files["depth"] == "nturgb+d_depth/S001C003P001R001A002"


def test_other_files_are_left_alone(tmp_path):
    name = "S001C001P001R001A001"
    make(
        tmp_path,
        f"nturgb+d_rgb/{name}_ir.avi",  # sorts before the colour video
        f"nturgb+d_rgb/{name}_rgb.avi",
        f"nturgb+d_rgb/{name}_rgb.avi.part",
        f"nturgb+d_rgb/._{name}_rgb.avi",
        f"nturgb+d_depth_masked/{name}.zip",
        f"nturgb+d_skeletons/{name}.skeleton.bak",
        "nturgb+d_rgb/readme.txt",
    )
    (recording,) = index_ntu(tmp_path)
    assert recording.files == {"rgb": f"nturgb+d_rgb/{name}_rgb.avi"}


def splits_of(tmp_path, subject=1, camera=1, setup=1):
    name = f"S{setup:03d}C{camera:03d}P{subject:03d}R001A001"
    (recording,) = index_ntu(make(tmp_path / name, f"nturgb+d_rgb/{name}_rgb.avi"))
    return recording.splits


def test_subjects_of_the_cross_subject_protocol(tmp_path):
    train = [s for s in range(1, 41) if splits_of(tmp_path, subject=s)["xsub"] == "train"]
    assert train == [1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38]
    assert len(XSUB_TRAIN) == 20


def test_cameras_of_the_cross_view_protocol(tmp_path):
    assert [splits_of(tmp_path, camera=c)["xview"] for c in (1, 2, 3)] == ["test", "train", "train"]
    assert PROTOCOLS == ("xsub", "xview", "xsub120", "xset120")


def test_subjects_and_setups_of_the_larger_set(tmp_path):
    train = [s for s in range(1, 107) if splits_of(tmp_path, subject=s, setup=18)["xsub120"] == "train"]
    assert len(train) == len(XSUB120_TRAIN) == 53
    assert train[:20] == sorted(XSUB_TRAIN)
    assert train[20:] == sorted(
        {*range(45, 48), 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103}
    )
    parts = [splits_of(tmp_path, setup=s)["xset120"] for s in range(1, 33)]
    assert parts == ["test", "train"] * 16


def test_setups_of_the_larger_set_are_in_no_part_of_the_smaller_ones_protocols(tmp_path):
    assert splits_of(tmp_path, setup=17) == {"xsub": "train", "xview": "test", "xsub120": "train", "xset120": "test"}
    assert splits_of(tmp_path, setup=18, subject=41) == {"xsub120": "test", "xset120": "train"}


def test_notes_say_how_much_is_there(tmp_path):
    make(tmp_path, "nturgb+d_rgb/S001C001P001R001A001_rgb.avi", "nturgb+d_ir/S001C001P001R001A001_ir.avi")
    assert index(tmp_path, DataSection()).notes == (
        "1 of 56880 recordings of NTU RGB+D 60 found",
        "1 infrared videos (nturgb+d_ir) are not stored",
    )
    make(tmp_path, "nturgb+d_rgb/S032C001P106R001A120_rgb.avi")
    assert index(tmp_path, DataSection()).notes[0] == "2 of 114480 recordings of NTU RGB+D 120 found"
    assert index(tmp_path, DataSection()).recordings[1].label_name == "rock-paper-scissors"


def test_lists_of_missing_skeletons_are_recognised(tmp_path):
    make(tmp_path, "nturgb+d_rgb/S001C001P001R001A001_rgb.avi", "nturgb+d_rgb/S001C001P001R001A002_rgb.avi")
    text = "Samples with missing skeletons\nof NTU RGB+D\n\nS001C001P001R001A001\nS017C003P020R001A059\n"
    assert read_missing_skeletons(text) == {"S001C001P001R001A001", "S017C003P020R001A059"}
    for name in MISSING_SKELETONS:
        (tmp_path / name).write_text(text)
    assert index(tmp_path, DataSection()).notes[1:] == tuple(
        f"1 of them are among the 2 of {name}" for name in MISSING_SKELETONS
    )
    assert [bool(r.splits) for r in index_ntu(tmp_path)] == [True, True]
    assert [bool(r.splits) for r in index_ntu(tmp_path, ntu_missing_skeletons="no-part")] == [False, True]


def test_leaving_out_missing_skeletons_needs_a_list(tmp_path):
    make(tmp_path, "nturgb+d_rgb/S001C001P001R001A001_rgb.avi")
    with pytest.raises(MotionpipeError, match="needs NTU_RGBD_samples"):
        index_ntu(tmp_path, ntu_missing_skeletons="no-part")


def test_nothing_to_find_is_one_clear_error(tmp_path):
    make(tmp_path, "nturgb+d_rgb/readme.txt", "other/S001C001P001R001A001_rgb.avi")
    with pytest.raises(MotionpipeError, match=r"SxxxCxxxPxxxRxxxAxxx in nturgb\+d_rgb"):
        index_ntu(tmp_path)


def test_the_depth_camera_has_a_plausible_field_of_view():
    assert (DEPTH_CAMERA.width, DEPTH_CAMERA.height) == (512, 424)
    assert abs(DEPTH_CAMERA.cx - 255.5) < 5
    assert abs(DEPTH_CAMERA.cy - 211.5) < 5
