import cv2
import numpy as np
import pytest
from motionpipe.pipeline.png import animated_png_bytes, png_bytes

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_reader_gets_back_what_was_written(shape):
    image = RNG.integers(0, 256, shape, dtype=np.uint8)
    read = cv2.imdecode(np.frombuffer(png_bytes(image), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read if image.ndim == 2 else read[..., ::-1], image)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_all_images_of_an_animation_come_back_in_order(shape, tmp_path):
    images = [RNG.integers(0, 256, shape, dtype=np.uint8) for _ in range(4)]
    path = tmp_path / "moving.png"
    path.write_bytes(animated_png_bytes(images, frames_per_s=4))
    found, animation = cv2.imreadanimation(str(path))
    assert found
    assert len(animation.frames) == 4
    for image, frame in zip(images, animation.frames, strict=True):
        np.testing.assert_array_equal(frame if image.ndim == 2 else frame[..., 2::-1], image)
    assert set(np.ravel(animation.durations)) == {250}


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        png_bytes(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="one size"):
        animated_png_bytes([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)])
