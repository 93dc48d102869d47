"""Real recordings, read where MOTIONPIPE_TEST_DATA says that they lie; nothing of them is kept here."""

import json
import os
from collections import defaultdict
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from motionpipe.pipeline.decode_video import iterate_video
from motionpipe.pipeline.depth_codec import decode_d16, decode_png16, encode_d16, encode_png16
from motionpipe.pipeline.ntu import index_ntu
from motionpipe.pipeline.ntu_actions import ACTION_NAMES
from motionpipe.pipeline.optical_flow import dis_flow
from motionpipe.pipeline.read_sample import read_frames, read_meta
from motionpipe.pipeline.samples import build_samples
from motionpipe.pipeline.skeleton import read_ntu_skeleton
from motionpipe.pipeline.write_shard import write_tar_shard
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import ShardSection
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
    return {recording.recording_id: recording for recording in index_ntu(NTU).recordings}


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
