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
from motionpipe.pipeline.decode_video import survey_video
from motionpipe.pipeline.depth_codec import decode_d16, decode_png16, encode_d16, encode_png16
from motionpipe.pipeline.ntu import index_ntu
from motionpipe.pipeline.ntu_actions import ACTION_NAMES
from motionpipe.pipeline.optical_flow import METHODS, optical_flow
from motionpipe.pipeline.plan_registration import fit_registrations
from motionpipe.pipeline.read_sample import read_frames, read_meta
from motionpipe.pipeline.registration import fit_joints, project_joints, tracked_joints
from motionpipe.pipeline.registration_overlay import depth_edges, registration_overlay
from motionpipe.pipeline.samples import build_samples
from motionpipe.pipeline.skeleton import read_ntu_skeleton
from motionpipe.pipeline.write_shard import write_tar_shard
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import DataSection, ShardSection
from motionpipe.schemas.recording import PlannedRecording, Recording

DATA = Path(os.environ.get("MOTIONPIPE_TEST_DATA") or "absent")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="MOTIONPIPE_TEST_DATA does not name the folder of test data")

NTU = DATA / "fixtures" / "ntu"
SAMPLE = "S001C001P001R001A001"

# file of fixtures/nasty: (frames, stored size, degrees clockwise that it is turned, time of the last frame [µs],
# offset of the first [µs]), or the reason why it is rejected
NASTY = {
    "AudioVideoInterleave.avi": "no-frames",
    "FlashVideo.flv": "unreadable-video",
    "Mpeg4.mp4": "no-video-stream",
    "av1_video.mkv": (125, [228, 128], 0, 4_960_000, 0),
    "corrupted.mp4": (49, [228, 128], 0, 4_900_000, 0),
    "discard_first_keyframe.mp4": (25, [64, 64], 0, 960_000, 0),
    "h264_10bits.mp4": (30, [128, 128], 0, 966_667, 0),
    "init_truncated.mp4": "no-video-stream",
    "nasa_13013_rotated.mp4": (17, [128, 228], 270, 533_867, 0),
    "no_duration.webm": (74, [228, 128], 0, 4_872_000, 0),
    "sine_mono_s16.wav": "no-video-stream",
    "test_non_zero_start.mp4": (12, [199, 112], 0, 366_667, 8_333_008),  # pixels of 224:225
    "testsrc2_odd_height_and_width_mpeg2.mp4": (10, [121, 81], 0, 360_000, 0),
    "testsrc2_odd_width_mpeg2.mp4": (10, [121, 80], 0, 360_000, 0),
    "unordered.mov": (4, [50, 50], 0, 93_750, 0),
    "video_0.mov": (3, [227, 128], 0, 66_667, 0),
    "video_180.mov": (3, [227, 128], 180, 66_667, 0),
    "video_270.mov": (3, [128, 227], 270, 66_667, 0),
    "video_90.mov": (3, [128, 227], 90, 66_667, 0),
    "webm.webm": "no-timing",  # one frame, and nothing says for how long
    "zero_byte.webm": "empty-file",
}
STRICT = NASTY | {"corrupted.mp4": "damaged-video"}
DROP = NASTY | {"corrupted.mp4": (48, [228, 128], 0, 4_900_000, 0)}

# folder or file: (files, frames, where timestamps come from)
WHOLE = {
    "fixtures/ucf101/UCF-101/ApplyEyeMakeup": (2, 287, "nominal"),  # their timestamps do not increase
    "fixtures/ucf101/UCF-101/BaseballPitch": (1, 107, "presentation"),
    "fixtures/ucf101/UCF-101/BenchPress": (2, 331, "presentation"),
    "fixtures/ucf101/UCF-101/Diving": (2, 541, "presentation"),
    "fixtures/ucf101/UCF-101/SoccerJuggling": (2, 491, "presentation"),
    "fixtures/hmdb51/videos/cartwheel": (1, 83, "nominal"),  # DivX: reordered frames in an AVI
    "fixtures/hmdb51/videos/pour": (1, 430, "nominal"),
    "fixtures/hmdb51/videos/wave": (3, 194, "nominal"),
    "fixtures/kinetics400/videos": (1, 303, "presentation"),
}


@pytest.fixture
def ntu_recordings():
    """The NTU fixture, by recording id."""
    return {recording.recording_id: recording for recording in index_ntu(NTU, DataSection()).recordings}


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
    for line, name in zip(lines, list(ACTION_NAMES.values())[:60], strict=True):
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


def stored_video(path, **config):
    """The sample and JSON of one video file."""
    recording = Recording(path.name, path.name, {"rgb": path.name})
    section = ShardSection(**{"short_side": 128, **config})
    (sample,) = build_samples(PlannedRecording(0, "key", recording), "d", path.parent, section)
    return sample, json.loads(sample.members["json"])


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize(("policy", "verdicts"), [("repair", NASTY), ("strict", STRICT), ("drop", DROP)])
def test_a_nasty_file_gives_frames_or_a_reason(policy, verdicts, name):
    path, verdict = DATA / "fixtures" / "nasty" / name, verdicts[name]
    if isinstance(verdict, str):
        with pytest.raises(BadSampleError, match=f"^{verdict}: "):
            stored_video(path, policy=policy)
        return
    sample, meta = stored_video(path, policy=policy)
    rgb, times = meta["decode"]["rgb"], meta["timestamps_us"]
    assert (sample.num_frames, meta["sizes"]["rgb"], rgb["rotation"], times[-1], rgb["start_us"]) == verdict
    assert (times[0], meta["timestamps"], len(times)) == (0, "presentation", sample.num_frames)
    picture = cv2.imdecode(np.frombuffer(sample.members["rgb.0000.jpg"], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1::-1] == tuple(verdict[1])


def test_what_is_missing_of_a_corrupted_file_is_told():
    decode = stored_video(DATA / "fixtures" / "nasty" / "corrupted.mp4")[1]["decode"]
    rgb = decode["rgb"]
    assert (rgb["expected"], rgb["demuxed"], rgb["decoded"], rgb["errors"]) == (50, 50, 49, 1)
    assert (rgb["missing_slots"], rgb["corrupt"], decode["gaps"]) == ([[30, 1]], [31], [[29, 1, 200_000]])


@pytest.mark.parametrize(("folder", "verdict"), WHOLE.items())
@pytest.mark.parametrize("policy", ["repair", "strict"])
def test_whole_videos_of_known_sets_are_stored(folder, verdict, policy):
    videos = [path for path in sorted((DATA / folder).rglob("*")) if path.suffix in (".avi", ".mp4")]
    if policy == "strict" and folder.endswith("pour"):  # it ends in a still of four seconds
        with pytest.raises(BadSampleError, match=r"damaged-video: .* 124 frozen of 430 frames"):
            stored_video(videos[0], short_side=32, policy=policy)
        return
    stored = [stored_video(path, short_side=32, policy=policy) for path in videos]
    assert (len(videos), sum(sample.num_frames for sample, _ in stored)) == verdict[:2]
    assert {meta["timestamps"] for _, meta in stored} == {verdict[2]}
    for _, meta in stored:
        decode = meta["decode"]
        assert (decode["gaps"], decode["rgb"]["missing"], decode["rgb"]["errors"]) == ([], 0, 0)
        assert decode["rgb"]["expected_from"] == "index"


def test_every_jhmdb_clip_is_whole():
    """Their AVIs hold empty chunks, which repeat the frame before: 40 frames in 48 chunks are all of them."""
    for path in sorted((DATA / "jhmdb" / "videos").rglob("*.avi"))[::9]:
        schedule = survey_video(path).schedule
        assert (schedule.expected, schedule.promise, schedule.has_times) == (schedule.demuxed, "index", True)


@pytest.mark.parametrize("policy", ["repair", "strict", "drop"])
def test_the_ntu_triple_is_whole(ntu_recordings, policy):
    planned = PlannedRecording(0, SAMPLE, ntu_recordings[SAMPLE])
    (sample,) = build_samples(planned, "ntu", NTU, ShardSection(short_side=53, policy=policy))
    decode = json.loads(sample.members["json"])["decode"]
    assert (sample.num_frames, decode["gaps"], decode["mismatch"], decode["unpaired"]) == (103, [], 0, 0)
    for name, promise in (("rgb", "index"), ("depth", "numbers")):
        stream = decode[name]
        assert (stream["expected"], stream["decoded"], stream["expected_from"]) == (103, 103, promise)
        assert stream["frozen"] == []


def read_flo(path):
    """Middlebury flow (H, W, 2): pixels right and down; unknown above 1e9."""
    data = path.read_bytes()
    assert data[:4] == b"PIEH"
    width, height = np.frombuffer(data, "<i4", 2, 4)
    return np.frombuffer(data, "<f4", 2 * width * height, 12).reshape(height, width, 2)


@pytest.mark.parametrize("method", METHODS)
def test_optical_flow_on_rubber_whale(method):
    folder = DATA / "fixtures" / "middlebury"
    frames = [
        cv2.imread(str(folder / "other-data" / "RubberWhale" / f"frame{i}.png"))[..., ::-1].copy() for i in (10, 11)
    ]
    truth = read_flo(folder / "other-gt-flow" / "RubberWhale" / "flow10.flo")
    known = np.abs(truth).max(axis=2) < 1e9
    flow = optical_flow(method, *frames).transpose(1, 2, 0)
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
    recordings = index_ntu(NTU, DataSection()).recordings
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
