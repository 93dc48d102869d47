import cv2
import numpy as np
import pytest
from motionpipe.pipeline.optical_flow import METHODS, SMALLEST_SIDE, optical_flow
from motionpipe.schemas.errors import MotionpipeError


def shifted_texture(dx, dy, frames=3, height=80, width=96):
    """Frames of a smooth random texture that moves (dx, dy) px right and down a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    texture = cv2.resize(noise, (300, 300), interpolation=cv2.INTER_CUBIC)
    return np.stack(
        [texture[100 - i * dy : 100 - i * dy + height, 100 - i * dx : 100 - i * dx + width] for i in range(frames)]
    )


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, 3), (-3, -2), (0, 0)])
@pytest.mark.parametrize("method", METHODS)
def test_a_shift_is_recovered_in_pixels_right_and_down(method, dx, dy):
    flow = optical_flow(method, *shifted_texture(dx, dy, frames=2))
    assert flow.shape == (2, 80, 96)
    assert flow.dtype == np.float32
    inside = flow[:, 10:-10, 10:-10]
    error = np.linalg.norm(inside - np.array([dx, dy])[:, None, None], axis=0)
    assert error.mean() < (0.25 if method == "dis-fast" else 0.1)  # its finest scale is a quarter of the frame


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_does_not_depend_on_those_before_it(method):
    frames = shifted_texture(2, 1, frames=4)
    before = optical_flow(method, frames[2], frames[3])
    optical_flow(method, frames[0], frames[1])
    np.testing.assert_array_equal(optical_flow(method, frames[2], frames[3]), before)


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_does_not_change_the_bytes(method):
    first, second = shifted_texture(2, 1, frames=2, height=120, width=160)
    threads = cv2.getNumThreads()
    try:
        flows = []
        for count in (1, 3):
            cv2.setNumThreads(count)
            flows.append(optical_flow(method, first, second))
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(*flows)


@pytest.mark.parametrize("method", METHODS)
def test_the_smallest_frames_work(method):
    least = SMALLEST_SIDE.get(method, 16)
    for height, width in ((least, 300), (300, least), (least, least)):
        frames = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        flow = optical_flow(method, *frames)
        assert flow.shape == (2, height, width)
        assert np.isfinite(flow).all()


def test_the_defaults_are_those_that_are_stated():
    """A version of OpenCV with other defaults would change the bytes without a word."""
    names = ("FinestScale", "GradientDescentIterations", "PatchSize", "PatchStride", "VariationalRefinementIterations")
    assert [getattr(METHODS["dis"](), f"get{name}")() for name in names] == [1, 25, 8, 3, 5]
    assert [getattr(METHODS["dis-fast"](), f"get{name}")() for name in names] == [2, 16, 8, 4, 5]
    farneback = ("NumLevels", "PyrScale", "WinSize", "NumIters", "PolyN", "PolySigma", "FastPyramids", "Flags")
    assert [getattr(METHODS["farneback"](), f"get{name}")() for name in farneback] == [5, 0.5, 13, 10, 5, 1.1, False, 0]
    tv_l1 = {"Tau": 0.25, "Lambda": 0.15, "Theta": 0.3, "Epsilon": 0.01, "ScalesNumber": 5, "ScaleStep": 0.8}
    tv_l1 |= {"WarpingsNumber": 5, "InnerIterations": 30, "OuterIterations": 10, "MedianFiltering": 5, "Gamma": 0.0}
    made = METHODS["tv-l1"]()
    assert {name: getattr(made, f"get{name}")() for name in tv_l1} == pytest.approx(tv_l1)


@pytest.mark.parametrize("method", ["tv-l1", "deepflow"])
def test_opencv_without_its_contributed_modules_gives_one_clear_line(monkeypatch, method):
    monkeypatch.delattr(cv2, "optflow")
    frames = shifted_texture(1, 0, frames=2)
    with pytest.raises(MotionpipeError, match="opencv-contrib-python-headless"):
        optical_flow(method, *frames)
