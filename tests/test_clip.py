import numpy as np
import pytest
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.clip import Clip

TIMES = np.array([0, 33_333, 66_667], dtype=np.int64)
RGB = np.zeros((3, 6, 8, 3), dtype=np.uint8)
DEPTH = np.zeros((3, 6, 8), dtype=np.uint16)
CAMERA = Camera(10, 10, 3.5, 2.5, 8, 6)


def test_a_clip_of_both_streams_knows_its_length():
    assert len(Clip("a", TIMES, RGB, DEPTH, CAMERA)) == 3


def test_streams_may_differ_in_size():
    clip = Clip("a", TIMES, np.zeros((3, 12, 16, 3), np.uint8), DEPTH, CAMERA)
    assert clip.rgb.shape[1:3] == (12, 16)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "rgb, depth or both"),
        ({"rgb": RGB[:2]}, "rgb must be uint8"),
        ({"rgb": RGB.astype(np.float32)}, "rgb must be uint8"),
        ({"rgb": RGB[..., 0]}, "rgb must be uint8"),
        ({"rgb": RGB[..., :2]}, "rgb must be uint8"),
        ({"depth": DEPTH[:2], "depth_camera": CAMERA}, "depth must be uint16"),
        ({"depth": DEPTH.astype(np.int32), "depth_camera": CAMERA}, "depth must be uint16"),
        ({"depth": DEPTH}, "intrinsics"),
        ({"depth": DEPTH, "depth_camera": CAMERA.resized(16, 12)}, "its camera"),
    ],
)
def test_clips_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=f"a: .*{message}"):
        Clip("a", TIMES, **given)


@pytest.mark.parametrize("times", [[0, 1, 1], [0, 2, 1]])
def test_time_must_go_on(times):
    with pytest.raises(ValueError, match="must increase"):
        Clip("a", np.array(times, dtype=np.int64), RGB)
