from __future__ import annotations

import pytest
import torch
from motionpipe.models.rgbd_pyramid import halve_depth, halve_intensity, halved_camera, num_levels, upsample
from motionpipe.schemas.camera import Camera


@pytest.mark.parametrize(
    ("height", "width", "coarsest", "levels"),
    [(240, 320, 15, 5), (480, 640, 15, 6), (106, 128, 15, 3), (120, 145, 15, 4), (120, 20, 15, 1), (8, 8, 15, 1)],
)
def test_number_of_levels(height: int, width: int, coarsest: int, levels: int) -> None:
    assert num_levels(height, width, coarsest) == levels


def test_halved_camera_keeps_rays() -> None:
    camera = Camera(300.0, 310.0, 40.0, 30.0, 81, 60)
    half = halved_camera(camera)
    assert (half.width, half.height) == (41, 30)
    for i in (0, 7, 40):
        assert (i - half.cx) / half.fx == pytest.approx((2 * i - camera.cx) / camera.fx)
        assert (i - half.cy) / half.fy == pytest.approx((2 * i - camera.cy) / camera.fy)


@pytest.mark.parametrize("size", [(8, 10), (9, 11)])
def test_constants_stay_constant_up_and_down(size: tuple[int, int]) -> None:
    image = torch.full((2, *size), 7.5)
    assert torch.allclose(halve_intensity(image), torch.full((2, (size[0] + 1) // 2, (size[1] + 1) // 2), 7.5))
    assert torch.allclose(halve_depth(image), halve_intensity(image))
    assert torch.allclose(upsample(halve_intensity(image), *size), image)


def test_ramp_keeps_its_place() -> None:
    ramp = torch.arange(33.0).repeat(1, 17, 1)
    assert torch.allclose(halve_intensity(ramp)[..., 1:-1], ramp[..., 2:-2:2][:, ::2])
    assert torch.allclose(upsample(halve_intensity(ramp), 17, 33)[..., 4:-4], ramp[..., 4:-4])


def test_step_edge_in_depth_is_not_blurred() -> None:
    depth = torch.full((1, 16, 16), 1.5)
    depth[..., 7:] = 1.65  # more than 0.1 m
    half = halve_depth(depth)
    assert torch.allclose(half[..., :4], torch.tensor(1.5))
    assert torch.allclose(half[..., 4:], torch.tensor(1.65))


def test_small_steps_of_depth_are_smoothed() -> None:
    depth = torch.full((1, 16, 16), 1.5)
    depth[..., 7:] = 1.52
    assert 1.5 < float(halve_depth(depth)[0, 4, 3]) < 1.52


def test_holes_stay_holes_and_do_not_spread() -> None:
    depth = torch.full((1, 16, 16), 2.0)
    depth[..., 4:7, 4:7] = 0
    half = halve_depth(depth)
    assert (half[0, 2:4, 2:4] == 0).all()
    assert torch.allclose(half[half > 0], torch.tensor(2.0))
    assert (half == 0).sum() == 4
