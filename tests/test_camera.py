import pytest
from motionpipe.schemas.camera import Camera

CAMERA = Camera(fx=300.0, fy=310.0, cx=159.5, cy=100.0, width=320, height=240)


def project(camera, x, y, z):
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy


@pytest.mark.parametrize(("width", "height"), [(160, 120), (107, 80), (640, 480), (320, 60)])
def test_a_point_stays_at_the_same_place_of_the_resized_image(width, height):
    resized = CAMERA.resized(width, height)
    for point in [(0.0, 0.0, 1.0), (0.3, -0.2, 2.0), (-1.0, 0.5, 4.0)]:
        (u, v), (u2, v2) = project(CAMERA, *point), project(resized, *point)
        # fractions of the image, whose border lies half a pixel outside the first pixel's centre
        assert (u2 + 0.5) / width == pytest.approx((u + 0.5) / 320)
        assert (v2 + 0.5) / height == pytest.approx((v + 0.5) / 240)
    assert (resized.width, resized.height) == (width, height)


def test_the_centre_of_the_image_stays_its_centre():
    assert Camera(1, 1, 159.5, 119.5, 320, 240).resized(80, 60) == Camera(0.25, 0.25, 39.5, 29.5, 80, 60)


def test_resizing_to_the_same_size_changes_nothing():
    assert CAMERA.resized(320, 240) == CAMERA


@pytest.mark.parametrize(
    ("fx", "fy", "width", "height", "message"),
    [
        (0, 1, 4, 4, "focal"),
        (1, -1, 4, 4, "focal"),
        (float("nan"), 1, 4, 4, "focal"),
        (1, 1, 0, 4, "size"),
        (1, 1, 4, 0, "size"),
    ],
)
def test_impossible_cameras_are_refused(fx, fy, width, height, message):
    with pytest.raises(ValueError, match=message):
        Camera(fx, fy, 0, 0, width, height)
