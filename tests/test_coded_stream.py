from fractions import Fraction

import av
import numpy as np
import pytest
import simplejpeg
from motionpipe.pipeline.coded_stream import code_depth, code_rgb
from motionpipe.pipeline.decode_video import survey_video
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import ShardSection

CONFIG = ShardSection(short_side=64, jpeg_quality=95)
QUADRANTS = np.kron(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]), np.ones((24, 32, 1)))
"""48 x 64: red, green over blue, white."""


def corners(image):
    """Colours 8 px from the four corners."""
    return image[[8, 8, -9, -9], [8, -9, 8, -9]].astype(int)


def pictures(stream):
    return [simplejpeg.decode_jpeg(frame.data) for frame in stream.frames]


def write(path, images, prepare=None, codec="mpeg4", pix_fmt="yuv420p", rate=25):
    """A video of images (H, W, 3); `prepare(stream)` sets what the test is about."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], pix_fmt
        if prepare:
            prepare(stream)
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_stand_upright(tmp_path, degrees):
    """The file says that its frames are to be turned; what is stored is turned."""
    path = write(tmp_path / "a.mp4", [QUADRANTS] * 3, lambda stream: stream.set_display_rotation(degrees))
    stream = code_rgb(path, CONFIG)
    shown = pictures(stream)[0]
    clockwise = stream.facts["rotation"]
    assert clockwise % 180 == degrees % 180
    turned = np.rot90(QUADRANTS, -clockwise // 90)
    np.testing.assert_allclose(corners(shown), corners(turned), atol=20)
    assert stream.size == shown.shape[1::-1]
    assert stream.source_size == (64, 48)


def test_pixels_become_square(tmp_path):
    def wide(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    stream = code_rgb(write(tmp_path / "a.mp4", [QUADRANTS] * 2, wide), CONFIG)
    assert pictures(stream)[0].shape == (36, 64, 3)
    assert (stream.size, stream.source_size, stream.facts["sample_aspect"]) == ((64, 36), (64, 48), [4, 3])


def test_a_size_that_changes_is_scaled_to_the_first(tmp_path):
    """Two MPEG-2 streams of different sizes, one after the other, are one such stream."""
    files = [
        write(tmp_path / f"{height}.m2v", [np.full((height, 64, 3), 2 * height)] * 4, codec="mpeg2video")
        for height in (48, 96)
    ]
    path = tmp_path / "a.m2v"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    frames = list(code_rgb(path, CONFIG).frames)
    sizes = {simplejpeg.decode_jpeg_header(frame.data)[:2] for frame in frames}
    assert (sizes, sum(frame.resized for frame in frames)) == ({(48, 64)}, 4)


def test_cover_art_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        silence.sample_rate = 16_000
        for packet in (*sound.encode(silence), *sound.encode(None)):
            container.mux(packet)
        frame = av.VideoFrame.from_ndarray(QUADRANTS.astype(np.uint8), format="rgb24")
        for packet in (*cover.encode(frame), *cover.encode(None)):
            container.mux(packet)
    with pytest.raises(BadSampleError, match="no-video-stream"):
        survey_video(path)


def test_of_several_videos_the_default_is_read(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream, side in zip(streams, (96, 48), strict=True):
            stream.height, stream.width, stream.pix_fmt = side, side, "bgr0"
        streams[1].disposition = av.stream.Disposition.default
        for i in range(3):
            for stream, side in zip(streams, (96, 48), strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((side, side, 3), i, np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    stream = code_rgb(path, CONFIG)
    assert len(pictures(stream)) == 3
    assert (stream.source_size, stream.facts["stream"], stream.facts["video_streams"]) == ((48, 48), 1, 2)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.gif", "gif", "rgb8"),
        ("a.mkv", "ffv1", "yuv420p10le"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
    ],
)
@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
def test_formats_and_odd_sizes(tmp_path, name, codec, pix_fmt, size):
    images = [QUADRANTS[: size[0], : size[1]]] * 5
    stream = code_rgb(write(tmp_path / name, images, codec=codec, pix_fmt=pix_fmt), CONFIG)
    found = pictures(stream)
    assert [picture.shape for picture in found] == [(*size, 3)] * 5
    np.testing.assert_allclose(found[2][8:16, 8:16].mean(axis=(0, 1)), [255, 0, 0], atol=40)


def test_depth_goes_on_after_a_bad_map(tmp_path, write_depth):
    folder = write_depth(tmp_path / "d", np.full((4, 48, 64), 700, np.uint16))
    (folder / "MDepth-00000002.png").write_bytes(b"no")
    stream = code_depth(folder, 1.0, CONFIG)
    assert [frame.slot for frame in stream.frames] == [0, 2, 3]
    assert (stream.tally.errors, stream.tally.reason) == (1, "unreadable-depth")


def test_maps_without_depth_are_blank(tmp_path, write_depth):
    stream = code_depth(write_depth(tmp_path / "d", np.zeros((2, 48, 64), np.uint16)), 1.0, CONFIG)
    assert all(frame.blank for frame in stream.frames)
