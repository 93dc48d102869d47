"""JPEG planes against colours known in float, and against the RGB path, before any JPEG loss."""

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import simplejpeg
from motionpipe.pipeline.frame_jpeg import _with_even_memory, frame_to_jpeg, frame_to_planes, frame_to_rgb
from motionpipe.pipeline.frame_size import reduced_size

DATA = Path(os.environ.get("MOTIONPIPE_TEST_DATA") or "absent")
BT601, BT709, BT2020, SMPTE240M = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593), (0.212, 0.087)
STEPS = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
FULL, LIMITED, UNKNOWN = 2, 1, 0


def to_yuv(rgb, weights=BT601):
    """float Y (h, w) in 0..255 and Cb, Cr about 0, full range."""
    red, blue = weights
    r, g, b = np.moveaxis(rgb.astype(np.float64), -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    return y, (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)


def to_rgb(y, cb, cr, weights=BT601):
    red, blue = weights
    r, b = y + (2 - 2 * red) * cr, y + (2 - 2 * blue) * cb
    return np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], axis=-1).clip(0, 255)


def shrink(plane, across, down):
    """Means over blocks; an odd last row or column counts alone."""
    height, width = plane.shape
    plane = np.pad(plane, ((0, -height % down), (0, -width % across)), "edge")
    return plane.reshape(-(-height // down), down, -(-width // across), across).mean(axis=(1, 3))


def enlarge(plane, height, width):
    """Chroma to the size of luma by the triangle filter of JPEG decoders."""

    def along(rows, count):
        before, after = np.concatenate([rows[:1], rows[:-1]]), np.concatenate([rows[1:], rows[-1:]])
        return np.stack([0.75 * rows + 0.25 * before, 0.75 * rows + 0.25 * after], axis=1).reshape(-1, rows.shape[1])[
            :count
        ]

    return along(along(plane, height).T, width).T


def shown(y, cb, cr):
    """What a viewer sees of JPEG's planes, float RGB."""
    height, width = y.shape
    return to_rgb(y.astype(np.float64), *(enlarge(c.astype(np.float64) - 128, height, width) for c in (cb, cr)))


def through_420(rgb):
    """What a viewer sees of an RGB picture whose chroma was averaged over 2 x 2 pixels."""
    y, cb, cr = to_yuv(rgb)
    return shown(y, shrink(cb, 2, 2) + 128, shrink(cr, 2, 2) + 128)


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((np.asarray(a, np.float64) - b) ** 2), 1e-9))


def video_frame(rgb, name="yuv420p", weights=BT601, colorspace=2, color_range=UNKNOWN):
    """A frame of float RGB (H, W, 3), as a decoder gives it: padded lines, tags."""
    height, width = rgb.shape[:2]
    frame = av.VideoFrame(width, height, name)
    frame.colorspace, frame.color_range = colorspace, color_range
    full = color_range == FULL or name.startswith("yuvj")
    y, *chroma = to_yuv(rgb, weights)
    across, down = STEPS[name.removeprefix("yuvj").removeprefix("yuv")[:3]]
    planes = [y if full else 16 + y * 219 / 255]
    planes += [128 + shrink(c, across, down) * (1 if full else 224 / 255) for c in chroma]
    deep = name.endswith("10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        kind = np.dtype("<u2" if deep else "u1")
        lines = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
        lines[:] = 77  # what lies beyond the width must not matter
        lines[:, : plane.width] = (values * (4 if deep else 1)).round().clip(0, 1023 if deep else 255)
    return frame


def smooth(height, width, seed=0):
    """Soft coloured clouds that stay inside the RGB cube, so no path clips and no chroma filter matters."""
    noise = np.random.default_rng(seed).random((height // 16 + 2, width // 16 + 2, 3))
    return 25 + 205 * cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def patches(height, width, side=10, seed=1):
    """Saturated squares with sharp edges on even pixels, which 4:2:0 keeps exactly, but not on edges of output pixels.

    This is the hardest signal that has one true answer: a matrix, range, offset or weight that is wrong shows at once.
    """
    colours = np.random.default_rng(seed).choice([0.0, 40.0, 128.0, 255.0], (height // side + 1, width // side + 1, 3))
    return np.kron(colours, np.ones((side, side, 1)))[:height, :width]


def area(values, size):
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


SIZES = [(96, 64), (75, 50), (61, 43)]
MATRICES = [(BT601, 2), (BT601, 5), (BT601, 6), (BT709, 1), (BT2020, 9), (SMPTE240M, 7)]


@pytest.mark.parametrize("size", [(192, 128), *SIZES])
@pytest.mark.parametrize(("weights", "colorspace"), MATRICES)
@pytest.mark.parametrize("color_range", [UNKNOWN, LIMITED, FULL])
@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"])
def test_sharp_colours_are_those_of_the_picture(name, color_range, weights, colorspace, size):
    picture = patches(128, 192)
    planes = frame_to_planes(video_frame(picture, name, weights, colorspace, color_range), size)
    assert psnr(shown(*planes), through_420(area(picture, size))) >= 45


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("weights", "colorspace"), MATRICES)
@pytest.mark.parametrize(
    ("name", "color_range"),
    [("yuv420p", UNKNOWN), ("yuv420p", FULL), ("yuvj420p", UNKNOWN), ("yuv422p", LIMITED), ("yuv444p", FULL)],
)
def test_both_paths_agree(name, color_range, weights, colorspace, size):
    frame = video_frame(smooth(128, 192), name, weights, colorspace, color_range)
    rgb = frame_to_rgb(frame, size)
    assert (rgb.dtype, rgb.shape) == (np.uint8, (size[1], size[0], 3))
    assert psnr(rgb, area(smooth(128, 192), size)) >= 45
    # 4:2:0 costs the RGB picture itself more than that: it is compared as JPEG would store it
    assert psnr(shown(*frame_to_planes(frame, size)), through_420(rgb)) >= 46


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p"])
@pytest.mark.parametrize("source", [(121, 81), (120, 81), (121, 80), (33, 47)])
@pytest.mark.parametrize("part", [1, 0.7, 0.5, 0.1])
def test_odd_sizes(name, source, part):
    size = (max(1, round(source[0] * part)), max(1, round(source[1] * part)))
    picture = smooth(source[1], source[0])
    for weights, colorspace in ((BT601, 6), (BT709, 1)):
        frame = video_frame(picture, name, weights, colorspace)
        y, cb, cr = frame_to_planes(frame, size)
        assert y.shape == size[::-1]
        assert cb.shape == cr.shape == ((size[1] + 1) // 2, (size[0] + 1) // 2)
        assert psnr(shown(y, cb, cr), through_420(area(picture, size))) >= 40
        decoded = simplejpeg.decode_jpeg(frame_to_jpeg(frame, size, 95))
        assert decoded.shape == (size[1], size[0], 3)
        # on a few pixels decoders do not smooth the chroma
        assert min(size) < 8 or psnr(decoded, through_420(area(picture, size))) >= 33


def test_planes_at_full_size_are_the_videos_own():
    frame = video_frame(patches(48, 64), "yuvj420p")
    for plane, source in zip(frame_to_planes(frame, (64, 48)), frame.planes, strict=True):
        lines = np.frombuffer(memoryview(source), np.uint8).reshape(source.height, -1)
        np.testing.assert_array_equal(plane, lines[:, : source.width])


@pytest.mark.parametrize("name", ["yuv420p10le", "yuv444p10le"])
def test_ten_bits_go_through_rgb(name):
    picture = smooth(128, 192)
    frame = video_frame(picture, name, BT709, 1, LIMITED)
    assert frame_to_planes(frame, (96, 64)) is None
    assert psnr(simplejpeg.decode_jpeg(frame_to_jpeg(frame, (96, 64), 95)), area(picture, (96, 64))) >= 35


@pytest.mark.parametrize("name", ["rgb24", "bgr0", "gbrp", "gray"])
def test_other_formats_go_through_rgb(name):
    picture = smooth(128, 192).round().astype(np.uint8)
    if name == "gray":
        picture[:] = picture[..., :1]
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=name)
    assert frame_to_planes(frame, (96, 64)) is None
    assert psnr(frame_to_rgb(frame, (96, 64)), area(picture, (96, 64))) >= 45


def test_levels_beyond_the_range_are_clipped():
    frame = video_frame(np.zeros((16, 16, 3)))
    for plane, level in zip(frame.planes, (3, 128, 250), strict=True):
        np.frombuffer(memoryview(plane), np.uint8)[:] = level
    y, cb, cr = frame_to_planes(frame, (8, 8))
    assert (y == 0).all()
    assert (cb == 128).all()
    assert (cr == 255).all()


@pytest.mark.parametrize("colorspace", [1, 2])
def test_grey_stays_grey(colorspace):
    levels = np.linspace(0, 255, 64).round()
    frame = video_frame(np.tile(levels[:, None, None], (1, 32, 3)), colorspace=colorspace)
    y, cb, cr = frame_to_planes(frame, (32, 64))
    np.testing.assert_allclose(y[:, 0], levels, atol=1)
    assert (cb == 128).all()
    assert (cr == 128).all()


def real_videos():
    folders = [f"fixtures/{name}" for name in ("ntu", "ucf101", "hmdb51", "kinetics400")]
    found = [
        path for folder in folders for path in sorted((DATA / folder).rglob("*")) if path.suffix in (".avi", ".mp4")
    ]
    nasty = ["nasa_13013_rotated.mp4", "no_duration.webm", "video_0.mov"]  # camera footage, BT.709
    return found + [DATA / "fixtures" / "nasty" / name for name in nasty]


@pytest.mark.skipif(not DATA.is_dir(), reason="MOTIONPIPE_TEST_DATA does not name the folder of test data")
def test_real_videos_agree_with_the_rgb_path():
    for path in real_videos():
        with av.open(str(path), metadata_errors="replace") as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % 60 == 0:
                    size = reduced_size(frame.width, frame.height, 240)
                    rgb, planes = frame_to_rgb(frame, size), frame_to_planes(frame, size)
                    assert psnr(shown(*planes), rgb) >= 44, path
                    assert psnr(shown(*planes), through_420(rgb)) >= 43, path


@pytest.mark.skipif(not DATA.is_dir(), reason="MOTIONPIPE_TEST_DATA does not name the folder of test data")
def test_a_real_ten_bit_video():
    with av.open(str(DATA / "fixtures" / "nasty" / "h264_10bits.mp4")) as container:
        frame = next(container.decode(video=0))
    rgb = frame_to_rgb(frame, (100, 100))
    assert psnr(simplejpeg.decode_jpeg(frame_to_jpeg(frame, (100, 100), 98)), through_420(rgb)) >= 45


@pytest.mark.parametrize(("height", "width"), [(33, 43), (32, 43), (33, 42)])
def test_what_the_encoder_reads_beyond_an_odd_side_is_the_edge(height, width):
    luma = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    plane = _with_even_memory(luma)
    np.testing.assert_array_equal(plane, luma)
    rows, columns = height + height % 2, width + width % 2
    assert plane.strides == (columns, 1)
    memory = np.lib.stride_tricks.as_strided(plane, (rows, columns), plane.strides)
    np.testing.assert_array_equal(memory[:height, width:], luma[:, -1:][:, : columns - width])
    np.testing.assert_array_equal(memory[height:, :width], luma[-1:][: rows - height])


def test_odd_sizes_give_the_same_bytes_whatever_stands_in_memory():
    generator, found = np.random.default_rng(0), set()
    luma, chroma = np.tile(np.arange(43, dtype=np.uint8), (32, 1)), np.full((16, 22), 90, np.uint8)
    for _ in range(40):
        litter = [np.full(generator.integers(100, 5000), generator.integers(255), np.uint8) for _ in range(20)]
        plane = _with_even_memory(luma.copy())
        found.add(bytes(simplejpeg.encode_jpeg_yuv_planes(plane, chroma, chroma, quality=92)))
        del litter
    assert len(found) == 1
