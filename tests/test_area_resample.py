import cv2
import numba.core.caching
import numpy as np
import pytest
from motionpipe.models.compiled import compiled
from motionpipe.pipeline.area_resample import area_resample, plan_axis, resample_lines


def weights(source_px, px, source_step=1, step=1):
    """(outputs, sources) part of each output that each source sample covers."""
    edges = np.minimum(np.arange(-(-px // step) + 1) * step / px, 1)
    source = np.minimum(np.arange(-(-source_px // source_step) + 1) * source_step / source_px, 1)
    overlap = np.minimum(edges[1:, None], source[None, 1:]) - np.maximum(edges[:-1, None], source[None, :-1])
    return np.maximum(overlap, 0) / np.diff(edges)[:, None]


def reference(plane, size):
    """Area means in float64."""
    height, width = plane.shape
    return weights(height, size[1]) @ plane.astype(np.float64) @ weights(width, size[0]).T


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((1920, 1080), (320, 240)),  # four output rows at once in 16-bit lanes
        ((1920, 1080), (455, 256)),  # two in 32-bit lanes
        ((1919, 1079), (313, 251)),  # no common factor: row sums of 32 bits
        ((7681, 4321), (31, 11)),  # sums longer than 31 bits
        ((768, 576), (320, 240)),
        ((384, 288), (160, 120)),
        ((121, 81), (97, 65)),
        ((13, 7), (13, 3)),
        ((13, 7), (5, 7)),
        ((7, 13), (1, 1)),
        ((1, 1), (1, 1)),
        ((5, 4000), (1, 16)),
        ((16, 16), (16, 16)),
        ((10, 12), (15, 31)),  # enlarged
        ((3, 500), (7, 2)),
    ],
)
def test_pixels_are_the_rounded_means_of_their_areas(source, size):
    plane = noise(source[1], source[0])
    result = area_resample(plane, size)
    assert (result.dtype, result.shape) == (np.uint8, (size[1], size[0]))
    # nothing but the rounding itself
    np.testing.assert_allclose(result, reference(plane, size), atol=0.5 + 1e-4)


def test_many_odd_sizes():
    random = np.random.default_rng(1)
    for seed in range(60):
        width, height, w, h = random.integers(1, 90, 4)
        plane = noise(height, width, seed)
        np.testing.assert_allclose(area_resample(plane, (w, h)), reference(plane, (w, h)), atol=0.5 + 1e-4)


@pytest.mark.parametrize("level", [0, 1, 127, 255])
@pytest.mark.parametrize("size", [(320, 240), (455, 256), (101, 97)])
def test_a_constant_stays_exactly(level, size):
    assert (area_resample(np.full((540, 960), level, np.uint8), size) == level).all()


def test_a_checkerboard_becomes_grey_and_a_step_stays_in_place():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 254).astype(np.uint8)
    assert (area_resample(board, (16, 16)) == 127).all()
    step = np.zeros((12, 12), np.uint8)
    step[:, 7:] = 240
    np.testing.assert_array_equal(area_resample(step, (5, 1))[0], [0, 0, round(240 * 0.2 / 2.4), 240, 240])


def test_opencv_agrees():
    plane = noise(1080, 1920)
    for size in ((320, 240), (455, 256), (341, 255)):
        theirs = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(area_resample(plane, size).astype(int), theirs, atol=1)


def test_views_and_read_only_planes():
    plane = noise(40, 60)
    expected = area_resample(plane[3:30:2, 5:50].copy(), (20, 9))
    np.testing.assert_array_equal(area_resample(plane[3:30:2, 5:50], (20, 9)), expected)
    plane.flags.writeable = False
    np.testing.assert_array_equal(area_resample(plane[3:30:2, 5:50], (20, 9)), expected)


def test_padding_between_lines_is_not_read():
    padded = np.full((9, 64), 255, np.uint8)
    padded[:, :50] = noise(9, 50)
    result = resample_lines(padded.reshape(-1), 64, plan_axis(9, 4), plan_axis(50, 20))
    np.testing.assert_array_equal(result, area_resample(padded[:, :50], (20, 4)))
    last_line_without = resample_lines(padded.reshape(-1)[: 8 * 64 + 50], 64, plan_axis(9, 4), plan_axis(50, 20))
    np.testing.assert_array_equal(last_line_without, result)


@pytest.mark.parametrize(("size", "line_size"), [(100, 10), (99, 5), (0, 10)])
def test_a_buffer_that_is_too_small_is_refused(size, line_size):
    plan = plan_axis(10, 5)
    if (size, line_size) == (100, 10):
        assert resample_lines(np.zeros(size, np.uint8), line_size, plan, plan).shape == (5, 5)
        return
    with pytest.raises(ValueError, match="do not hold 10 rows of 10 samples"):
        resample_lines(np.zeros(size, np.uint8), line_size, plan, plan)


@pytest.mark.parametrize("size", [(8, 6), (8, 12), (5, 4)])
def test_gain_and_offset_come_before_the_rounding(size):
    plane = noise(12, 8)
    result = resample_lines(plane.reshape(-1), 8, plan_axis(12, size[1]), plan_axis(8, size[0]), 255 / 219, -18.63)
    exact = (reference(plane, size) * 255 / 219 - 18.63).clip(0, 255)
    np.testing.assert_allclose(result, exact, atol=0.5 + 1e-3)


@pytest.mark.parametrize(
    ("source_px", "px"), [(121, 121), (121, 60), (121, 61), (120, 61), (1920, 455), (7, 1), (4, 9)]
)
@pytest.mark.parametrize(("source_step", "step"), [(2, 2), (2, 1), (1, 2)])
def test_chroma_covers_the_same_area_as_luma(source_px, px, source_step, step):
    samples = -(-source_px // source_step)
    plane = noise(1, samples)
    result = resample_lines(plane[0], samples, plan_axis(1, 1), plan_axis(source_px, px, source_step, step))
    exact = weights(source_px, px, source_step, step) @ plane[0].astype(np.float64)
    assert result.shape == (1, -(-px // step))
    np.testing.assert_allclose(result[0], exact, atol=0.5 + 1e-4)


def test_code_is_compiled_where_it_cannot_be_kept(monkeypatch):
    class Nowhere(numba.core.caching.CompileResultCacheImpl):
        _locator_classes = ()

    monkeypatch.setattr(numba.core.caching.FunctionCache, "_impl_class", Nowhere)

    def double(x):
        return 2 * x

    assert compiled(double)(21) == 42
