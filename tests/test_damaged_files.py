"""Copies of small videos, cut and with bits flipped: rejected, or complete, or the contract shows what is lost."""

import json

import av
import cv2
import numpy as np
import pytest
from motionpipe.pipeline.samples import build_samples
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import ShardSection
from motionpipe.schemas.recording import PlannedRecording, Recording

FRAMES = 60
# name: codec, pixel format, container options, codec options, where the promise of a whole file comes from
KINDS = {
    "h264.mp4": ("libx264", "yuv420p", {}, {"g": "12"}, "index"),
    "faststart.mp4": ("libx264", "yuv420p", {"movflags": "faststart"}, {"g": "12"}, "index"),
    "fragmented.mp4": ("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}, {"g": "12"}, None),
    "h264.mkv": ("libx264", "yuv420p", {}, {"g": "12"}, "duration"),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}, {}, "index"),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}, {}, "index"),
    "vp8.webm": ("libvpx", "yuv420p", {}, {"deadline": "realtime"}, "duration"),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}, {"deadline": "realtime", "cpu-used": "8"}, "duration"),
    "h264.ts": ("libx264", "yuv420p", {}, {"g": "12"}, None),
    "mpeg2.ts": ("mpeg2video", "yuv420p", {}, {}, None),
    "h264.flv": ("libx264", "yuv420p", {}, {"g": "12"}, None),
    "a.gif": ("gif", "rgb8", {}, {}, None),
}
SEEDS = 24


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The undamaged files' bytes by name."""
    folder = tmp_path_factory.mktemp("whole")
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (96, 64), interpolation=cv2.INTER_CUBIC)
    for name, (codec, pixels, options, codec_options, _) in KINDS.items():
        if codec not in av.codecs_available:
            continue
        with av.open(str(folder / name), "w", options=options) as container:
            stream = container.add_stream(codec, rate=30)
            stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
            stream.codec_context.options = codec_options
            for i in range(FRAMES):
                image = np.ascontiguousarray(np.roll(picture, 2 * i, axis=1))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def outcome(path, policy):
    """(frames stored, decode entry), or the reason of the reject; any other exception is a failure."""
    recording = Recording(path.name, path.name, {"rgb": path.name})
    config = ShardSection(short_side=32, policy=policy, min_decoded=0.0)
    try:
        (sample,) = build_samples(PlannedRecording(0, "key", recording), "d", path.parent, config)
    except BadSampleError as error:
        return error.reason
    return sample.num_frames, json.loads(sample.members["json"])["decode"]


def shows_loss(decode):
    """Whether a reader of the JSON can tell that frames are missing, or that nothing says how many there should be."""
    rgb = decode["rgb"]
    counted = ("missing", "errors", "unplaced", "corrupt", "incomplete_packets", "discarded")
    # Matroska states where the video ends: what is lost at its head looks like a late start, and a frame or two at its
    # end are within the rounding of that statement
    by_duration = rgb["expected_from"] == "duration"
    excused = by_duration and (rgb["start_us"] > 0 or rgb["decoded"] >= FRAMES - 2)
    return bool(decode["gaps"]) or any(rgb[name] for name in counted) or rgb["expected"] is None or excused


def require_honest(path):
    for policy in ("repair", "strict"):
        found = outcome(path, policy)
        if isinstance(found, str):
            continue
        count, decode = found
        assert count == FRAMES or shows_loss(decode), (path.name, policy, count, decode)
        if policy == "strict":  # nothing but what no field can know
            rgb = decode["rgb"]
            assert not rgb["missing"]
            assert not rgb["errors"]
            assert not rgb["corrupt"]


@pytest.mark.parametrize("name", KINDS)
def test_a_whole_file_is_complete_and_says_so(tmp_path, whole, name):
    (tmp_path / name).write_bytes(whole[name])
    for policy in ("repair", "strict", "drop"):
        count, decode = outcome(tmp_path / name, policy)
        rgb = decode["rgb"]
        assert (count, rgb["decoded"], rgb["missing"], decode["gaps"]) == (FRAMES, FRAMES, 0, [])
        assert (rgb["expected_from"], rgb["expected"]) == (KINDS[name][4], FRAMES if KINDS[name][4] else None)


@pytest.mark.parametrize("name", KINDS)
def test_a_cut_at_every_tenth_is_not_silent(tmp_path, whole, name):
    path, data = tmp_path / name, whole[name]
    for tenth in range(1, 10):
        path.write_bytes(data[: len(data) * tenth // 10])
        require_honest(path)
        if KINDS[name][4]:  # where the file promises a number, no policy takes the rest for the whole
            assert isinstance(outcome(path, "strict"), str)


@pytest.mark.parametrize("name", KINDS)
def test_flipped_bits_are_not_silent(tmp_path, whole, name):
    path = tmp_path / name
    for seed in range(SEEDS):
        rng, data = np.random.default_rng(seed), bytearray(whole[name])
        reach = len(data) if seed % 2 else min(len(data), 1500)  # headers are the sore spot
        for _ in range(3 if seed % 3 else 30):
            data[int(rng.integers(reach))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        require_honest(path)


@pytest.mark.parametrize(("part", "kept"), [(0.99, True), (0.6, False)])
def test_the_default_keeps_a_short_cut_only(tmp_path, whole, part, kept):
    path = tmp_path / "faststart.mp4"
    path.write_bytes(whole["faststart.mp4"][: int(len(whole["faststart.mp4"]) * part)])
    recording = PlannedRecording(0, "key", Recording("x", "x", {"rgb": path.name}))
    if not kept:
        with pytest.raises(
            BadSampleError, match=r"truncated-video: .* of 60 frames \(index, at least 90% are needed\)"
        ):
            list(build_samples(recording, "d", tmp_path, ShardSection()))
        return
    (sample,) = build_samples(recording, "d", tmp_path, ShardSection())
    decode = json.loads(sample.members["json"])["decode"]
    missing = FRAMES - sample.num_frames
    assert 0 < missing <= 6
    assert (decode["rgb"]["missing"], decode["gaps"][-1]) == (missing, [sample.num_frames - 1, missing, None])
