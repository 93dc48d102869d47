"""Adapters on real recordings and official lists, where MOTIONPIPE_TEST_DATA says; nothing of them is kept here."""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from motionpipe.pipeline.depth_frames import iterate_depth
from motionpipe.pipeline.hmdb51 import index_hmdb51
from motionpipe.pipeline.hmdb51 import read_list as read_hmdb_list
from motionpipe.pipeline.joints import read_joints
from motionpipe.pipeline.joints_msr import read_msr_action_joints
from motionpipe.pipeline.kinect_v1 import DEPTH_CAMERA
from motionpipe.pipeline.kinetics import index_kinetics
from motionpipe.pipeline.mat_arrays import read_mat_array
from motionpipe.pipeline.msr_action3d import DEPTH_UNIT_MM, index_msr_action3d
from motionpipe.pipeline.ntu import index_ntu, read_missing_skeletons
from motionpipe.pipeline.samples import build_samples
from motionpipe.pipeline.ucf101 import index_ucf101, read_classes
from motionpipe.pipeline.ucf101 import read_list as read_ucf_list
from motionpipe.pipeline.utd_mhad import index_utd_mhad
from motionpipe.schemas.recipe import DataSection, ShardSection
from motionpipe.schemas.recording import PlannedRecording
from scipy.io import loadmat

DATA = Path(os.environ.get("MOTIONPIPE_TEST_DATA") or "absent")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="MOTIONPIPE_TEST_DATA does not name the folder of test data")

FIXTURES = DATA / "fixtures"
MSR, UTD = FIXTURES / "msraction3d", FIXTURES / "utd_mhad"
CONFIG = ShardSection(short_side=64)


def frames_of(index, dataset, base):
    """Frames that each recording is stored with."""
    return {
        recording.recording_id: sum(
            sample.num_frames for sample in build_samples(PlannedRecording(0, "key", recording), dataset, base, CONFIG)
        )
        for recording in index.recordings
    }


def test_official_lists_of_ucf101_have_their_known_sizes():
    folder = FIXTURES / "ucf101" / "ucfTrainTestlist"
    classes = read_classes((folder / "classInd.txt").read_text())
    assert len(classes) == 101
    lists = {file.stem: read_ucf_list(file.read_text(), file.name, classes) for file in folder.glob("t*list0?.txt")}
    assert (len(lists["trainlist01"]), len(lists["testlist01"])) == (9537, 3783)
    for number in (1, 2, 3):
        train, test = (set(lists[f"{part}list0{number}"]) for part in ("train", "test"))
        assert not train & test
        assert len(train | test) == 13_320


def test_ucf101():
    index = index_ucf101(FIXTURES / "ucf101")
    assert index.notes == ("9 of 13320 listed clips of UCF101 found",)
    assert [len(r.splits) for r in index.recordings] == [3] * 9
    assert all(r.files["rgb"] == f"UCF-101/{r.recording_id}" for r in index.recordings)
    assert min(frames_of(index, "ucf101", FIXTURES / "ucf101").values()) > 20


def test_official_lists_of_hmdb51_have_their_known_sizes():
    folder = FIXTURES / "hmdb51" / "testTrainMulti_7030_splits"
    for number in (1, 2, 3):
        counts = Counter()
        for file in folder.glob(f"*_test_split{number}.txt"):
            counts.update(read_hmdb_list(file.read_text(), file.name).values())
        assert counts == {"train": 3570, "test": 1530, None: 1666}


def test_hmdb51():
    index = index_hmdb51(FIXTURES / "hmdb51")
    assert index.notes == ("5 of 6766 listed clips of HMDB51 found",)
    assert len({r.label_name for r in index.recordings}) == 3
    assert {r.label_name: r.label for r in index.recordings}["wave"] == 50
    assert min(frames_of(index, "hmdb51", FIXTURES / "hmdb51").values()) > 10


def test_jhmdb_is_part_of_hmdb51():
    index = index_hmdb51(DATA / "jhmdb")
    recordings = index.recordings
    assert len(recordings) == 456
    assert Counter(r.splits.get("split1") for r in recordings) == {"train": 306, "test": 138, None: 12}
    assert all(("@" in r.recording_id) == (not r.splits) for r in recordings)
    assert index.notes[0] == "444 of 6766 listed clips of HMDB51 found"
    groups = {r.group for r in recordings}
    # every name is of HMDB51's form, so none is its own group with its tags
    assert not [name for name in groups if re.search(r"_(goo|med|bad)(_\d+)?$|_np1_", name)]
    assert len(groups) < 0.7 * len(recordings)


def test_kinetics(tmp_path):
    name = "R6llTwEh07w"
    (tmp_path / f"{name}.mp4").symlink_to(FIXTURES / "kinetics400" / "videos" / f"{name}.mp4")
    (tmp_path / "train.csv").write_text(f"label,youtube_id,time_start,time_end,split\nfaceplanting,{name},1,11,train\n")
    index = index_kinetics(tmp_path)
    assert index.recordings[0].recording_id == f"{name}_000001_000011"
    assert frames_of(index, "kinetics", tmp_path)[f"{name}_000001_000011"] > 100


@pytest.mark.parametrize(
    ("file", "count"),
    [
        (FIXTURES / "ntu" / "NTU_RGBD_samples_with_missing_skeletons.txt", 302),
        (DATA / "ntu60_missing_skeletons.txt", 302),
        (DATA / "ntu120_missing_skeletons.txt", 535),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else str(value),
)
def test_lists_of_missing_skeletons_have_their_known_sizes(file, count):
    assert len(read_missing_skeletons(file.read_text())) == count


def test_the_smaller_list_of_missing_skeletons_is_part_of_the_larger():
    small, large = (read_missing_skeletons((DATA / f"ntu{n}_missing_skeletons.txt").read_text()) for n in (60, 120))
    assert small < large
    assert small == {name for name in large if int(name[1:4]) <= 17}


def test_ntu_says_how_many_of_its_recordings_lack_skeletons():
    assert index_ntu(FIXTURES / "ntu", DataSection()).notes == (
        "5 of 56880 recordings of NTU RGB+D 60 found",
        "0 of them are among the 302 of NTU_RGBD_samples_with_missing_skeletons.txt",
    )


@pytest.mark.parametrize(("file", "name"), [(MSR, "depth"), (UTD, "d_depth"), (UTD, "d_skel"), (UTD, "d_iner")])
def test_matlab_files_are_read_as_scipy_reads_them(file, name):
    kind = {"depth": "sdepth", "d_depth": "depth", "d_skel": "skeleton", "d_iner": "inertial"}[name]
    files = sorted(file.rglob(f"*_{kind}.mat"))
    assert len(files) == 6
    for path in files:
        expected = loadmat(path)[name]
        array = read_mat_array(path, (name,), (None,) * expected.ndim)
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == expected.dtype


def test_utd_mhad():
    index = index_utd_mhad(UTD)
    assert index.notes == ("6 of 861 sequences of UTD-MHAD found", "6 inertial files are not stored")
    assert Counter(r.splits["xsub"] for r in index.recordings) == {"train": 3, "test": 3}
    assert frames_of(index, "utd-mhad", UTD)["a1_s1_t1"] == 48
    for recording in index.recordings:
        joints = read_joints(UTD / recording.files["skeleton"])
        depth = list(iterate_depth(UTD / recording.files["depth"]))
        assert len(joints) == len(depth)


def test_msr_action3d():
    index = index_msr_action3d(DATA / "msr-action3d")
    assert index.notes == ("556 of 567 sequences of MSR Action3D found",)
    assert len({r.label for r in index.recordings}) == 20
    assert {r.subject for r in index.recordings} == set(range(1, 11))
    assert frames_of(index_msr_action3d(MSR), "msr-action3d", MSR)["a01_s01_e01"] == 54


def surface_and_joints(recording):
    """[mm] depth of the surface (median of 5x5 pixels) where a joint projects, and the joint's; tracked joints only."""
    depth = np.stack(list(iterate_depth(MSR / recording.files["depth"], recording.depth_unit_mm)))
    joints = read_msr_action_joints(MSR / recording.files["skeleton"], MSR / recording.files["skeleton_screen"])
    assert len(depth) == len(joints)
    pairs = []
    for frame, body in zip(depth, joints[:, 0], strict=True):
        for joint in body[body[:, 7] > 0.9]:
            x, y = int(joint[3]), int(joint[4])
            window = frame[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
            if np.count_nonzero(window) >= 20:
                pairs.append((np.median(window[window > 0]), joint[2] * 1000))
    return pairs


def test_depth_of_msr_action3d_agrees_with_its_joints():
    pairs = np.array([pair for r in index_msr_action3d(MSR).recordings for pair in surface_and_joints(r)])
    assert len(pairs) > 2500
    behind = pairs[:, 1] - pairs[:, 0]
    # a joint lies within the body, some centimetres behind the surface that the camera sees
    assert 30 < np.median(behind) < 90
    assert np.mean(behind > -20) > 0.9
    # and a unit that puts the joints onto the surface puts a third of them well before it
    assert np.mean(pairs[:, 1] - pairs[:, 0] * 5.12 / DEPTH_UNIT_MM < -20) > 0.25


def kinect_constant(levels):
    """K [units] of a Kinect whose neighbouring depth levels are Z² / K apart."""
    inverse = 1 / np.array(sorted(levels), dtype=np.float64)
    return -1 / np.polyfit(np.arange(len(inverse)), inverse, 1)[0]


def test_the_unit_of_msr_action3d_follows_from_the_sensor_s_depth_levels():
    msr = {
        v for r in index_msr_action3d(MSR).recordings for f in iterate_depth(MSR / r.files["depth"]) for v in f[f > 0]
    }
    utd = {v for r in index_utd_mhad(UTD).recordings for f in iterate_depth(UTD / r.files["depth"]) for v in f[f > 0]}
    unit_mm = kinect_constant({v for v in utd if 2300 < v < 2900}) / kinect_constant({v for v in msr if 420 < v < 571})
    assert unit_mm == pytest.approx(DEPTH_UNIT_MM, rel=0.02)


def test_pixels_of_msr_action3d_are_its_joints_seen_by_the_camera():
    for recording in index_msr_action3d(MSR).recordings:
        joints = read_joints(MSR / recording.files["skeleton"], MSR / recording.files["skeleton_screen"])
        x, y, z, u, v = np.moveaxis(joints[..., :5].astype(np.float64), -1, 0)
        assert np.abs(DEPTH_CAMERA.cx + DEPTH_CAMERA.fx * x / z - u).max() < 0.501
        assert np.abs(DEPTH_CAMERA.cy - DEPTH_CAMERA.fy * y / z - v).max() < 0.501
