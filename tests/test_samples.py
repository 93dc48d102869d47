import dataclasses
import hashlib
import io
import json
import os

import numpy as np
import pytest
import simplejpeg
from motionpipe.pipeline.depth_codec import DECODERS
from motionpipe.pipeline.ntu import COLOR_SIZE, DEPTH_CAMERA
from motionpipe.pipeline.samples import build_samples, camera_of
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import ShardSection
from motionpipe.schemas.recording import PlannedRecording, Recording

CONFIG = ShardSection(short_side=48)
RECORDING = Recording(
    recording_id="S001C002P003R001A004",
    path="S001C002P003R001A004",
    files={"rgb": "x_rgb.avi", "depth": "depth", "skeleton": "x.skeleton"},
    label=3,
    label_name="brush hair",
    splits={"xsub": "test"},
    subject=3,
    camera=2,
    setup=1,
    fps=30.0,
    depth_camera=DEPTH_CAMERA,
    color_size=COLOR_SIZE,
)


def only(recording, *streams):
    return dataclasses.replace(recording, files={name: recording.files[name] for name in streams})


@pytest.fixture
def source(tmp_path, moving_square, write_video, write_depth, skeleton_text):
    """A recording of 6 frames: RGB 128 x 96, depth 64 x 48, one body."""
    square = moving_square(6, 96, 128, side=24, x=10, y=30, step=4)
    write_video(tmp_path / "x_rgb.avi", np.repeat(square[..., None], 3, axis=3), fps=10)
    write_depth(tmp_path / "depth", moving_square(6, 48, 64, step=2).astype(np.uint16) * 10)
    joints = np.tile(np.array([0.1, 0.2, 2.5, 256, 212, 960, 540, 1, 0, 0, 0, 2.0]), (6, 1, 25, 1))
    (tmp_path / "x.skeleton").write_text(skeleton_text(joints))
    return tmp_path


def build(source, recording=RECORDING, config=CONFIG):
    return list(build_samples(PlannedRecording(0, "key", recording), "ntu", source, config))


def reason_of(source, recording, config=CONFIG):
    with pytest.raises(BadSampleError) as error:
        build(source, recording, config)
    return error.value.reason


def meta_of(sample):
    return json.loads(sample.members["json"])


def test_a_recording_becomes_one_sample_of_all_its_streams(source, moving_square):
    (sample,) = build(source)
    assert (sample.key, sample.num_frames, sample.fps, sample.counts) == ("key", 6, 10.0, {"frames": 6})
    assert sample.members.keys() == {
        "json",
        "joints.npy",
        *(f"rgb.{i:04d}.jpg" for i in range(6)),
        *(f"depth.{i:04d}.d16" for i in range(6)),
    }
    depth = [DECODERS["d16"](sample.members[f"depth.{i:04d}.d16"]) for i in range(6)]
    np.testing.assert_array_equal(depth, moving_square(6, 48, 64, step=2).astype(np.uint16) * 10)
    rgb = np.stack([simplejpeg.decode_jpeg(sample.members[f"rgb.{i:04d}.jpg"]) for i in range(6)])
    halves = moving_square(6, 96, 128, side=24, x=10, y=30, step=4).reshape(6, 48, 2, 64, 2).mean(axis=(2, 4))
    assert np.abs(rgb.mean(axis=3) - halves).mean() < 3


def test_the_json_says_what_the_members_are(source):
    meta = meta_of(build(source)[0])
    digest, decode = meta["source"].pop("sha256"), meta.pop("decode")
    assert len(digest) == 64
    assert decode["rgb"]["decoded"] == decode["depth"]["decoded"] == 6
    assert meta == {
        "key": "key",
        "recording_id": "S001C002P003R001A004",
        "dataset": "ntu",
        "source": {"path": RECORDING.path},
        "label": 3,
        "label_name": "brush hair",
        "splits": {"xsub": "test"},
        "subject": 3,
        "camera": 2,
        "setup": 1,
        "fps": 10.0,
        "timestamps": "presentation",
        "source_slots": [0, 1, 2, 3, 4, 5],
        "timestamps_us": [0, 100_000, 200_000, 300_000, 400_000, 500_000],
        "frames": [0, 6],
        "sizes": {"rgb": [64, 48], "depth": [64, 48]},
        "source_sizes": {"rgb": [128, 96], "depth": [64, 48]},
        "intrinsics": meta["intrinsics"],
        "pairing": "order",
        "registration": None,
        "source_frame_counts": {"rgb": 6, "depth": 6, "skeleton": 6},
    }


def test_intrinsics_are_scaled_to_the_stored_depth(source):
    assert camera_of(meta_of(build(source)[0])) == Camera(365.481, 365.481, 257.346, 210.347, 512, 424).resized(64, 48)
    assert meta_of(build(source, only(RECORDING, "rgb"))[0])["intrinsics"] == {}


def test_joints_are_scaled_to_the_stored_frames(source):
    joints = np.load(io.BytesIO(build(source)[0].members["joints.npy"]))
    assert joints.shape == (6, 1, 25, 8)
    x, y, z, depth_x, depth_y, color_x, color_y, tracking = joints[2, 0, 7]
    assert (x, y, z, tracking) == (np.float32(0.1), np.float32(0.2), 2.5, 2)
    assert depth_x == pytest.approx(256.5 / 512 * 64 - 0.5)
    assert depth_y == pytest.approx(212.5 / 424 * 48 - 0.5)
    assert color_x == pytest.approx(960.5 / 1920 * 64 - 0.5)
    assert color_y == pytest.approx(540.5 / 1080 * 48 - 0.5)


def test_the_source_hash_changes_with_any_file_and_with_nothing_else(source, write_depth):
    before = build(source)[0].source_hash
    assert build(source, config=ShardSection(short_side=24))[0].source_hash == before
    assert build(source, dataclasses.replace(RECORDING, label=None, label_name=None))[0].source_hash == before
    assert build(source, only(RECORDING, "rgb"))[0].source_hash != before
    png = source / "depth" / "MDepth-00000003.png"
    other = np.full((48, 64), 7, np.uint16)
    write_depth(source / "other", [other])
    png.write_bytes((source / "other" / "MDepth-00000001.png").read_bytes())
    assert build(source)[0].source_hash != before


def test_the_same_recording_gives_the_same_bytes(source):
    one, two = build(source)[0], build(source)[0]
    assert one == two
    assert list(one.members) == list(two.members)


def test_segments_hold_at_most_max_frames(source):
    samples = build(source, config=ShardSection(short_side=48, max_frames=4))
    assert [(s.key, s.num_frames, meta_of(s)["frames"]) for s in samples] == [
        ("key-s00", 4, [0, 4]),
        ("key-s01", 2, [4, 6]),
    ]
    (whole,) = build(source)
    assert samples[1].members["rgb.0001.jpg"] == whole.members["rgb.0005.jpg"]
    assert samples[1].members["depth.0000.d16"] == whole.members["depth.0004.d16"]
    assert [meta_of(s)["key"] for s in samples] == ["key-s00", "key-s01"]
    assert meta_of(samples[1])["timestamps_us"] == [400_000, 500_000]
    assert [np.load(io.BytesIO(s.members["joints.npy"])).shape[0] for s in samples] == [4, 2]
    assert [s.counts["frames"] for s in samples] == [4, 2]


@pytest.mark.parametrize(("frames", "segments"), [(2, 3), (3, 2), (5, 2), (6, 1)])
def test_no_frame_is_lost_between_segments(source, frames, segments):
    samples = build(source, config=ShardSection(short_side=48, max_frames=frames))
    assert len(samples) == segments
    assert [time for s in samples for time in meta_of(s)["timestamps_us"]] == [i * 100_000 for i in range(6)]


def test_the_shorter_stream_decides_and_the_counts_are_kept(source):
    (source / "depth" / "MDepth-00000006.png").unlink()
    (sample,) = build(source)
    assert sample.num_frames == 5
    assert meta_of(sample)["source_frame_counts"] == {"rgb": 6, "depth": 5, "skeleton": 6}
    assert len(meta_of(sample)["timestamps_us"]) == 5
    assert "rgb.0005.jpg" not in sample.members
    assert np.load(io.BytesIO(sample.members["joints.npy"])).shape[0] == 5


def test_depth_alone_has_the_nominal_times(source):
    (sample,) = build(source, only(RECORDING, "depth"))
    meta = meta_of(sample)
    assert (meta["timestamps"], meta["fps"]) == ("nominal", 30.0)
    assert meta["timestamps_us"] == [0, 33_333, 66_667, 100_000, 133_333, 166_667]


def test_uneven_times_of_the_file_are_kept_from_zero(source, write_video, moving_square):
    rgb = np.repeat(moving_square(4, 48, 64)[..., None], 3, axis=3)
    write_video(source / "x.mkv", rgb, times_ms=[40, 50, 110, 140])
    meta = meta_of(build(source, Recording("x", "x.mkv", {"rgb": "x.mkv"}))[0])
    assert (meta["timestamps"], meta["timestamps_us"]) == ("presentation", [0, 10_000, 70_000, 100_000])


def test_neither_times_nor_a_rate(source):
    assert reason_of(source, dataclasses.replace(only(RECORDING, "depth"), fps=None)) == "no-timing"


@pytest.mark.parametrize("streams", [("skeleton",), ()])
def test_no_frames_at_all(source, streams):
    assert reason_of(source, only(RECORDING, *streams)) == "no-frames"


def test_one_bad_stream_rejects_the_recording(source):
    (source / "depth" / "MDepth-00000004.png").write_bytes(b"")
    assert reason_of(source, RECORDING) == "unreadable-depth"
    (source / "x.skeleton").write_text("damaged")
    assert reason_of(source, RECORDING) == "unreadable-skeleton"
    (source / "x_rgb.avi").write_bytes(b"")
    assert reason_of(source, RECORDING) == "empty-file"


@pytest.mark.parametrize("target", ["/nowhere/x.png", "/proc/self/mem"])
def test_what_the_system_says_of_a_file_is_the_recordings_error_alone(source, target):
    """A link to nothing, and a file whose bytes cannot be read (EIO)."""
    if target.startswith("/proc") and not os.path.exists(target):
        pytest.skip("needs Linux")
    file = sorted((source / "depth").iterdir())[2]
    file.unlink()
    file.symlink_to(target)
    assert reason_of(source, RECORDING) == "unreadable-file"
    (source / "x.skeleton").unlink()
    (source / "x.skeleton").symlink_to("/proc/self/mem")
    assert reason_of(source, only(RECORDING, "rgb", "skeleton")) in ("unreadable-file", "missing-file")


def test_depth_may_be_stored_as_png(source):
    (sample,) = build(source, only(RECORDING, "depth"), ShardSection(short_side=48, depth_codec="png16"))
    d16 = build(source, only(RECORDING, "depth"))[0]
    for i in range(6):
        np.testing.assert_array_equal(
            DECODERS["png16"](sample.members[f"depth.{i:04d}.png16"]),
            DECODERS["d16"](d16.members[f"depth.{i:04d}.d16"]),
        )


def test_jpegs_are_420_of_the_asked_quality(source):
    sizes = {}
    for quality in (50, 95):
        config = ShardSection(short_side=48, jpeg_quality=quality)
        (sample,) = build(source, only(RECORDING, "rgb"), config)
        data = sample.members["rgb.0000.jpg"]
        assert simplejpeg.decode_jpeg_header(data)[:4] == (48, 64, "YCbCr", "420")
        sizes[quality] = len(data)
    assert sizes[50] < sizes[95]


def test_the_hash_covers_the_bytes_of_the_file(source):
    files = {"rgb": source / "x_rgb.avi"}
    content = hashlib.sha256(files["rgb"].read_bytes()).digest()
    expected = hashlib.sha256(b"rgb\0" + content).hexdigest()
    assert build(source, only(RECORDING, "rgb"))[0].source_hash == expected


def test_depth_without_a_focal_length_is_a_reject():
    with pytest.raises(BadSampleError, match="no-intrinsics: x: depth without its camera's focal length"):
        camera_of({"key": "x", "intrinsics": {}})
