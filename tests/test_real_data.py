"""Real recordings, read where MOTIONPIPE_TEST_DATA says that they lie; nothing of them is kept here."""

import json
import os
from collections import defaultdict
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import simplejpeg
from motionpipe.pipeline.decode_video import iterate_video
from motionpipe.pipeline.depth_codec import decode_d16, decode_png16, encode_d16, encode_png16
from motionpipe.pipeline.folder import index_folder
from motionpipe.pipeline.groups import group_of
from motionpipe.pipeline.ntu import index_ntu
from motionpipe.pipeline.ntu_actions import ACTION_NAMES
from motionpipe.pipeline.optical_flow import dis_flow
from motionpipe.pipeline.plan_registration import fit_registrations
from motionpipe.pipeline.read_sample import read_frames, read_meta
from motionpipe.pipeline.registration import fit_joints, project_joints, tracked_joints
from motionpipe.pipeline.registration_overlay import depth_edges, registration_overlay
from motionpipe.pipeline.samples import build_samples
from motionpipe.pipeline.skeleton import read_ntu_skeleton
from motionpipe.pipeline.write_shard import write_tar_shard
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import DataSection, ShardSection
from motionpipe.schemas.recording import PlannedRecording

DATA = Path(os.environ.get("MOTIONPIPE_TEST_DATA") or "absent")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="MOTIONPIPE_TEST_DATA does not name the folder of test data")

NTU = DATA / "fixtures" / "ntu"
SAMPLE = "S001C001P001R001A001"

# file of fixtures/nasty: number of frames, or the reason why it is rejected. Rotation that a file only states in its
# metadata is not applied.
NASTY = {
    "AudioVideoInterleave.avi": "no-frames",
    "FlashVideo.flv": "unreadable-video",
    "Mpeg4.mp4": "no-video-stream",
    "av1_video.mkv": 125,
    "corrupted.mp4": "unreadable-video",
    "discard_first_keyframe.mp4": 25,
    "h264_10bits.mp4": 30,
    "init_truncated.mp4": "no-video-stream",
    "nasa_13013_rotated.mp4": 17,
    "no_duration.webm": 74,
    "sine_mono_s16.wav": "no-video-stream",
    "test_non_zero_start.mp4": 12,
    "testsrc2_odd_height_and_width_mpeg2.mp4": 10,
    "testsrc2_odd_width_mpeg2.mp4": 10,
    "unordered.mov": 4,
    "video_0.mov": 3,
    "video_180.mov": 3,
    "video_270.mov": 3,
    "video_90.mov": 3,
    "webm.webm": 1,
    "zero_byte.webm": "empty-file",
}


@pytest.fixture
def ntu_recordings():
    """The NTU fixture, by recording id."""
    return {recording.recording_id: recording for recording in index_ntu(NTU)}


@pytest.fixture
def stored(store, ntu_recordings):
    """The complete NTU recording in a store, and its entry."""
    planned = PlannedRecording(0, SAMPLE, ntu_recordings[SAMPLE])
    config = ShardSection(short_side=212)
    report = write_tar_shard(store, "shards", 0, [planned], lambda p: build_samples(p, "ntu", NTU, config))
    assert not report.rejects
    return store, report.samples[0]


def test_index_of_the_ntu_fixture(ntu_recordings):
    assert len(ntu_recordings) == 5
    skeleton_only = [name for name, r in ntu_recordings.items() if set(r.files) == {"skeleton"}]
    assert sorted(skeleton_only) == ["S001C001P001R001A050", "S001C003P008R002A058"]
    assert set(ntu_recordings[SAMPLE].files) == {"rgb", "depth", "skeleton"}
    assert ntu_recordings["S001C001P001R001A058"].files["depth"].startswith("nturgb+d_depth_masked/")


def test_names_of_the_ntu_actions():
    lines = [line.strip() for line in (NTU / "label_map_ntu60.txt").read_text().splitlines() if line.strip()]
    assert len(lines) == 60
    # the official names are worded otherwise ("wave hand": "hand waving"), but with the same stems
    for line, name in zip(lines, ACTION_NAMES.values(), strict=True):
        stems = [word[:3] for word in name.split() if len(word) > 2 and word not in ("other", "person")]
        assert any(stem in line for stem in stems), (line, name)


def test_a_complete_ntu_recording_is_stored_frame_by_frame(stored):
    store, entry = stored
    assert entry.num_frames == 103
    assert sum(name.startswith("rgb.") for name in entry.members) == 103
    assert sum(name.startswith("depth.") for name in entry.members) == 103
    meta = read_meta(store, "shards", 0, entry)
    assert meta["source_frame_counts"] == {"rgb": 103, "depth": 103, "skeleton": 103}
    assert meta["fps"] == pytest.approx(30, abs=0.1)
    assert (meta["timestamps"], len(meta["timestamps_us"])) == ("presentation", 103)
    assert meta["source_sizes"] == {"rgb": [1920, 1080], "depth": [512, 424]}


def test_stored_depth_is_the_nearest_pixel_of_the_png(stored):
    store, entry = stored
    depth = read_frames(store, "shards", 0, entry, "depth", range(103))
    for i in range(103):
        file = NTU / "nturgb+d_depth_masked" / SAMPLE / f"MDepth-{i + 1:08d}.png"
        png = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        assert png.dtype == np.uint16
        np.testing.assert_array_equal(depth[i], cv2.resize(png, (256, 212), interpolation=cv2.INTER_NEAREST_EXACT))
    assert (depth > 0).any(axis=(1, 2)).all()


def test_stored_colours_are_those_of_the_video(stored):
    store, entry = stored
    numbers = [0, 50, 102]
    jpegs = read_frames(store, "shards", 0, entry, "rgb", numbers)
    with av.open(str(NTU / "nturgb+d_rgb" / f"{SAMPLE}_rgb.avi")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 103
    for jpeg, number in zip(jpegs, numbers, strict=True):
        reference = cv2.resize(frames[number], jpeg.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert cv2.PSNR(jpeg, reference) >= 30


@pytest.mark.parametrize(("name", "bodies"), [(SAMPLE, 1), ("S001C001P001R001A050", 2), ("S001C003P008R002A058", 2)])
def test_real_skeletons(name, bodies):
    joints = read_ntu_skeleton(NTU / "nturgb+d_skeletons" / f"{name}.skeleton")
    assert joints.shape[1:] == (bodies, 25, 8)
    assert np.nanmin(joints[..., 2]) > 0.5  # metres from the camera
    assert np.nanmax(joints[..., 2]) < 8
    # the x and y of the camera project to the depth image: right and down
    z, u = joints[..., 2], joints[..., 3]
    known = np.isfinite(u) & (z > 0)
    np.testing.assert_allclose(np.median((u - 365.481 * joints[..., 0] / z)[known]), 257.3, atol=6)
    if name == SAMPLE:
        assert len(joints) == 103


@pytest.mark.parametrize("name", [SAMPLE, "S001C001P001R001A058", "S001C001P008R001A052"])
def test_real_depth_is_coded_without_loss_and_smaller_than_png(name):
    files = sorted((NTU / "nturgb+d_depth_masked" / name).glob("*.png"))[::20]
    sizes = defaultdict(int)
    for file in files:
        depth = decode_png16(file.read_bytes())
        np.testing.assert_array_equal(decode_d16(encode_d16(depth)), depth)
        sizes["d16"] += len(encode_d16(depth))
        sizes["png"] += len(encode_png16(depth))
    assert sizes["d16"] < sizes["png"]


def test_every_nasty_file_is_in_the_table():
    assert sorted(NASTY) == sorted(path.name for path in (DATA / "fixtures" / "nasty").iterdir())


@pytest.mark.parametrize(("name", "verdict"), NASTY.items())
def test_a_nasty_file_gives_frames_or_a_reason(name, verdict):
    path = DATA / "fixtures" / "nasty" / name
    if isinstance(verdict, str):
        with pytest.raises(BadSampleError, match=f"^{verdict}: .*{name}"):
            list(iterate_video(path, 128))
    else:
        frames = list(iterate_video(path, 128))
        assert len(frames) == verdict
        assert len({frame.rgb.shape for frame in frames}) == 1
        assert min(frames[0].rgb.shape[:2]) <= 128


@pytest.mark.parametrize("folder", ["fixtures/ucf101", "fixtures/hmdb51/videos", "fixtures/kinetics400/videos"])
def test_whole_videos_of_known_sets_are_read(folder):
    videos = [path for path in sorted((DATA / folder).rglob("*")) if path.suffix in (".avi", ".mp4")]
    assert videos
    for path in videos:
        assert sum(1 for _ in iterate_video(path, 32)) > 10, path


def test_groups_of_jhmdb_are_films():
    recordings = index_folder(DATA / "jhmdb" / "videos", DataSection())
    groups = defaultdict(set)
    for recording in recordings:
        groups[group_of(recording)].add(recording.path)
    assert len({recording.label_name for recording in recordings}) == 11
    # every name is of HMDB51's form, so none is its own group with its tags
    assert not [name for name in groups if name.endswith(("_goo", "_med", "_bad")) or "_np1_" in name]
    assert len(groups) < 0.7 * len(recordings)
    assert any(len({Path(path).parts[0] for path in paths}) > 1 for paths in groups.values())


def read_flo(path):
    """Middlebury flow (H, W, 2): pixels right and down; unknown above 1e9."""
    data = path.read_bytes()
    assert data[:4] == b"PIEH"
    width, height = np.frombuffer(data, "<i4", 2, 4)
    return np.frombuffer(data, "<f4", 2 * width * height, 12).reshape(height, width, 2)


def test_dis_flow_on_rubber_whale():
    folder = DATA / "fixtures" / "middlebury"
    frames = [
        cv2.imread(str(folder / "other-data" / "RubberWhale" / f"frame{i}.png"))[..., ::-1].copy() for i in (10, 11)
    ]
    truth = read_flo(folder / "other-gt-flow" / "RubberWhale" / "flow10.flo")
    known = np.abs(truth).max(axis=2) < 1e9
    flow = dis_flow(*frames).transpose(1, 2, 0)
    error = np.linalg.norm(flow - truth, axis=2)[known].mean()
    assert error < 0.5
    assert error < 0.5 * np.linalg.norm(truth, axis=2)[known].mean()  # better than no flow at all


def test_the_json_of_a_real_sample_is_plain(stored):
    store, entry = stored
    meta = read_meta(store, "shards", 0, entry)
    assert meta["label_name"] == "drink water"
    assert json.loads(json.dumps(meta)) == meta


def joints_of(name, frames):
    """Tracked joints of some frames of an NTU skeleton."""
    return tracked_joints(read_ntu_skeleton(NTU / "nturgb+d_skeletons" / f"{name}.skeleton")[frames])


def held_out_px(fit, rows):
    """Reprojection errors of joints that a fit has not seen."""
    return np.linalg.norm(project_joints(rows, fit.matrix, fit.parallax) - rows[:, 5:7], axis=1)


@pytest.mark.parametrize(("model", "most_px"), [("affine", 0.4), ("homography", 0.4), ("affine+depth", 0.15)])
def test_a_fit_to_even_frames_meets_the_joints_of_odd_ones(model, most_px, record_property):
    fit = fit_joints(joints_of(SAMPLE, slice(0, None, 2)), model)
    errors = held_out_px(fit, joints_of(SAMPLE, slice(1, None, 2)))
    record_property("mean_px", float(errors.mean()))
    assert errors.mean() < most_px
    assert errors.max() < 1.1
    assert fit.inliers.all()


@pytest.mark.parametrize(("model", "most_px"), [("affine", 1.3), ("affine+depth", 0.5)])
def test_a_fit_to_one_recording_meets_the_joints_of_another_of_its_place(model, most_px):
    fit = fit_joints(joints_of(SAMPLE, slice(None)), model)
    assert held_out_px(fit, joints_of("S001C001P001R001A050", slice(None))).mean() < most_px


def test_the_parallax_of_real_joints_is_the_kinects_baseline():
    rows = np.concatenate([joints_of(name, slice(None)) for name in (SAMPLE, "S001C001P001R001A050")])
    fit = fit_joints(rows, "affine+depth")
    assert fit.parallax[0] == pytest.approx(0.052 * 1060, rel=0.05)
    assert fit.errors.mean() < 0.2


@pytest.fixture(scope="module")
def registered():
    """The complete NTU recording at the size of its depth, RGB registered: JSON, every sixth RGB and depth frame."""
    recordings = index_ntu(NTU)
    config = ShardSection(short_side=424)
    rows = [PlannedRecording(0, recording.recording_id, recording) for recording in recordings]
    registrations = fit_registrations(rows, NTU, config)
    planned = next(row for row in rows if row.recording_id == SAMPLE)
    (sample,) = build_samples(planned, "ntu", NTU, config, registrations.of(1, 1))
    numbers = range(0, 103, 6)
    rgb = [simplejpeg.decode_jpeg(sample.members[f"rgb.{i:04d}.jpg"]) for i in numbers]
    depth = [decode_d16(sample.members[f"depth.{i:04d}.d16"]) for i in numbers]
    return json.loads(sample.members["json"]), rgb, depth


def test_real_rgb_lies_in_the_depth_frame(registered):
    meta, rgb, depth = registered
    assert meta["sizes"] == {"rgb": [512, 424], "depth": [512, 424]}
    assert meta["registration"]["recordings"] == 2
    assert meta["registration"]["inliers"] == meta["registration"]["joints"] > 5000
    assert meta["registration"]["mean_px"] < 0.5
    # the depth camera sees more above and below than the colour camera
    assert meta["registration"]["outside"] == pytest.approx(0.116, abs=0.005)
    assert rgb[0][:10].max() < 10
    assert registration_overlay(rgb[0], depth[0]).shape == (848, 1024, 3)


def test_the_depth_edge_of_the_real_body_lies_on_its_rgb_edge(registered):
    """Mean distance from depth edges of the upper body to the nearest RGB edge, for shifts of up to 8 px."""
    _, frames, depths = registered
    sums = defaultdict(list)
    for rgb, depth in zip(frames, depths, strict=True):
        grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (3, 3), 0)
        distance = np.minimum(cv2.distanceTransform(255 - cv2.Canny(grey, 60, 150), cv2.DIST_L2, 5), 10)
        edges, rows = depth_edges(depth), np.flatnonzero(depth.any(axis=1))
        edges[rows[0] + int(0.6 * np.ptp(rows)) :] = False  # the floor around the feet
        y, x = np.nonzero(edges)
        for dx in range(-8, 9):
            for dy in range(-8, 9):
                sums[dx, dy].append(distance[y + dy, x + dx].mean())
    means = {shift: float(np.mean(values)) for shift, values in sums.items()}
    assert means[0, 0] < 1.2
    assert np.linalg.norm(min(means, key=means.get)) < 2
    assert means[0, 0] < 0.75 * min(means[shift] for shift in ((6, 0), (-6, 0), (0, 6), (0, -6)))
