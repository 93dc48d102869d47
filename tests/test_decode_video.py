import av
import cv2
import numpy as np
import pytest
from motionpipe.pipeline.decode_video import iterate_video, nominal_fps, reduced_size
from motionpipe.schemas.errors import BadSampleError

COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 64, 200], [200, 180, 40], [90, 90, 90]],
    dtype=np.float64,
)


def reason_of(path):
    with pytest.raises(BadSampleError) as error:
        list(iterate_video(path, 64))
    assert path.name in error.value.detail
    return error.value.reason


def verdict_of(path):
    """Number of frames that are read, or the reason why they are not."""
    try:
        return sum(1 for _ in iterate_video(path, 64))
    except BadSampleError as error:
        return error.reason


def coloured_square(moving_square, frames=6):
    """A red square on green that moves 3 px a frame."""
    inside = moving_square(frames, 48, 64, side=10, x=4, y=20, step=3) > 0
    return np.where(inside[..., None], np.array([200, 30, 20]), np.array([10, 120, 60])).astype(np.uint8)


def test_frames_come_in_order_with_their_colours_and_times(tmp_path, write_video, moving_square):
    rgb = coloured_square(moving_square)
    frames = list(iterate_video(write_video(tmp_path / "a.avi", rgb, fps=25), 256))
    np.testing.assert_array_equal([frame.rgb for frame in frames], rgb)
    assert [frame.pts_us for frame in frames] == [0, 40_000, 80_000, 120_000, 160_000, 200_000]
    assert {(frame.source_width, frame.source_height) for frame in frames} == {(64, 48)}


def test_frames_are_reduced_by_area(tmp_path, write_video, moving_square):
    rgb = coloured_square(moving_square)
    frames = list(iterate_video(write_video(tmp_path / "a.avi", rgb), 24))
    halves = rgb.reshape(6, 24, 2, 32, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(np.stack([frame.rgb for frame in frames]), halves, atol=1)
    assert (frames[0].source_width, frames[0].source_height) == (64, 48)


@pytest.mark.parametrize(
    ("width", "height", "short_side", "expected"),
    [
        (1920, 1080, 256, (455, 256)),
        (1080, 1920, 256, (256, 455)),
        (320, 240, 256, (320, 240)),  # never enlarged
        (512, 424, 106, (128, 106)),
        (100, 100, 50, (50, 50)),
        (5000, 3, 2, (3333, 2)),
        (1, 4000, 16, (1, 4000)),
    ],
)
def test_reduced_size(width, height, short_side, expected):
    assert reduced_size(width, height, short_side) == expected


def test_uneven_times_are_kept(tmp_path, write_video, moving_square):
    path = write_video(tmp_path / "a.mkv", coloured_square(moving_square, 4), times_ms=[0, 10, 70, 100])
    assert [frame.pts_us for frame in iterate_video(path, 64)] == [0, 10_000, 70_000, 100_000]


def test_nominal_rate(tmp_path, write_video, moving_square):
    rgb = coloured_square(moving_square)
    assert nominal_fps(write_video(tmp_path / "a.avi", rgb, fps=25)) == 25.0


def write_yuv(path, luma_weights, full_range, matrix):
    """A lossless 4:2:0 video of 4 x 2 patches in COLOURS under the given matrix and range, tagged so."""
    red, blue = luma_weights
    r, g, b = COLOURS.T / 255
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    planes = (255 * y, 255 * u + 128, 255 * v + 128) if full_range else (16 + 219 * y, 128 + 224 * u, 128 + 224 * v)
    data = [
        np.kron(plane.reshape(2, 4), np.ones((side, side))).round().clip(0, 255).astype(np.uint8).ravel()
        for plane, side in zip(planes, (16, 8, 8), strict=True)
    ]
    frame = av.VideoFrame.from_ndarray(np.concatenate(data).reshape(48, 64), format="yuv420p")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
        for tagged in (stream.codec_context, frame):
            tagged.colorspace, tagged.color_range = matrix, 2 if full_range else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("luma_weights", "matrix"), [((0.299, 0.114), 6), ((0.2126, 0.0722), 1)], ids=["bt601", "bt709"]
)
def test_colours_follow_the_files_matrix_and_range(tmp_path, luma_weights, matrix, full_range):
    write_yuv(tmp_path / "a.mkv", luma_weights, full_range, matrix)
    (frame,) = iterate_video(tmp_path / "a.mkv", 64)
    np.testing.assert_allclose(frame.rgb[8::16, 8::16].reshape(8, 3), COLOURS, atol=3)


def test_a_missing_file(tmp_path):
    assert reason_of(tmp_path / "a.avi") == "missing-file"


def test_a_folder_is_no_file(tmp_path):
    assert reason_of(tmp_path) == "missing-file"


def test_a_file_of_no_bytes(tmp_path):
    (tmp_path / "a.avi").touch()
    assert reason_of(tmp_path / "a.avi") == "empty-file"


@pytest.mark.parametrize(("name", "reason"), [("a.mp4", "unreadable-video"), ("a.txt", "no-video-stream")])
def test_a_text_file(tmp_path, name, reason):
    (tmp_path / name).write_text("path,label\nwave/1.avi,wave\n" * 20)
    assert reason_of(tmp_path / name) == reason


def test_random_bytes(tmp_path):
    (tmp_path / "a.avi").write_bytes(np.random.default_rng(0).bytes(5000))
    assert reason_of(tmp_path / "a.avi") == "unreadable-video"


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.mp4", "aac"), ("a.avi", "pcm_s16le")])
def test_sound_alone(tmp_path, name, codec):
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=16_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        sound.sample_rate = 16_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    assert reason_of(tmp_path / name) == "no-video-stream"
    assert nominal_fps(tmp_path / name) is None


def textured(frames):
    """Frames that do not compress to nothing: a drifting blurred noise."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (64, 48), interpolation=cv2.INTER_CUBIC)
    return np.stack([np.roll(picture, i, axis=1) for i in range(frames)])


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options"),
    [
        ("a.avi", "mpeg4", "yuv420p", {}),
        ("a.avi", "mjpeg", "yuvj420p", {}),
        ("a.avi", "ffv1", "bgr0", {}),
        ("a.mp4", "mpeg4", "yuv420p", {}),
        ("a.mp4", "mpeg4", "yuv420p", {"movflags": "faststart"}),
        ("a.mkv", "mpeg4", "yuv420p", {}),
    ],
)
def test_a_truncated_file_is_not_shortened_in_silence(tmp_path, name, codec, pixels, options, part):
    path, frames = tmp_path / name, 40
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
        for image in textured(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    assert len(list(iterate_video(path, 64))) == frames
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    # the index at the end of an AVI may be all that is gone
    whole = {frames, frames - 1, frames - 2}
    assert verdict_of(path) in whole | {"unreadable-video", "truncated-video", "no-frames"}


def test_a_gap_in_the_middle_is_no_truncation(tmp_path, write_video, moving_square):
    times = [0, 33, 66, 400, 433]
    path = write_video(tmp_path / "a.mkv", coloured_square(moving_square, 5), times_ms=times)
    assert len(list(iterate_video(path, 64))) == 5


def test_damage_in_the_middle_is_an_error(tmp_path, write_video):
    path = write_video(tmp_path / "a.avi", textured(20))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    assert reason_of(path) == "unreadable-video"


def test_a_title_that_is_not_utf8_is_no_reason_to_fail(tmp_path, moving_square):
    path, mark = tmp_path / "a.avi", b"Abschiedsgru"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = mark.decode()
        stream = container.add_stream("ffv1", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "bgr0"
        for image in coloured_square(moving_square, 3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert mark in data
    path.write_bytes(data.replace(mark, b"Abschiedsgr\xd3"))
    assert len(list(iterate_video(path, 64))) == 3
    assert nominal_fps(path) == 30.0


def test_reading_may_stop_early(tmp_path, write_video, moving_square):
    path = write_video(tmp_path / "a.avi", coloured_square(moving_square))
    assert next(iter(iterate_video(path, 64))).pts_us == 0
