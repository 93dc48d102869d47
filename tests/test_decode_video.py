import av
import numpy as np
import pytest
from motionpipe.pipeline.decode_video import DecodeTally, iterate_video, survey_video
from motionpipe.schemas.errors import BadSampleError

COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 64, 200], [200, 180, 40], [90, 90, 90]],
    dtype=np.float64,
)


def read(path):
    """The frames of a video, and what was counted."""
    tally = DecodeTally()
    return list(iterate_video(survey_video(path), tally)), tally


def reason_of(path):
    with pytest.raises(BadSampleError) as error:
        read(path)
    assert path.name in error.value.detail
    return error.value.reason


def rgb_of(frame):
    return frame.picture.to_ndarray(format="rgb24")


def coloured_square(moving_square, frames=6):
    """A red square on green that moves 3 px a frame."""
    inside = moving_square(frames, 48, 64, side=10, x=4, y=20, step=3) > 0
    return np.where(inside[..., None], np.array([200, 30, 20]), np.array([10, 120, 60])).astype(np.uint8)


def test_frames_come_in_order_with_their_colours_and_times(tmp_path, write_video, moving_square):
    rgb = coloured_square(moving_square)
    frames, tally = read(write_video(tmp_path / "a.avi", rgb, fps=25))
    np.testing.assert_array_equal([rgb_of(frame) for frame in frames], rgb)
    assert [frame.time_us for frame in frames] == [0, 40_000, 80_000, 120_000, 160_000, 200_000]
    assert [frame.slot for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert not any(frame.corrupt for frame in frames)
    assert (tally.decoded, tally.errors, tally.unplaced) == (6, 0, 0)


def test_uneven_times_are_kept(tmp_path, write_video, moving_square):
    path = write_video(tmp_path / "a.mkv", coloured_square(moving_square, 4), times_ms=[40, 50, 110, 140])
    assert [frame.time_us for frame in read(path)[0]] == [0, 10_000, 70_000, 100_000]
    schedule = survey_video(path).schedule
    assert (schedule.start_us, schedule.constant_rate) == (40_000, False)


def test_nominal_rate(tmp_path, write_video, moving_square):
    assert survey_video(write_video(tmp_path / "a.avi", coloured_square(moving_square), fps=25)).fps == 25.0


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
    (frame,) = read(tmp_path / "a.mkv")[0]
    np.testing.assert_allclose(rgb_of(frame)[8::16, 8::16].reshape(8, 3), COLOURS, atol=3)


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
    assert len(read(path)[0]) == 3
    assert survey_video(path).fps == 30.0


def test_reading_may_stop_early(tmp_path, write_video, moving_square):
    path = write_video(tmp_path / "a.avi", coloured_square(moving_square))
    assert next(iter(iterate_video(survey_video(path)))).time_us == 0
