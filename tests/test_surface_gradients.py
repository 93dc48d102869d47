from __future__ import annotations

import torch
from motionpipe.models.surface_gradients import divergence, forward_difference, image_gradient, surface_weights
from motionpipe.schemas.camera import Camera

CAMERA = Camera(50.0, 60.0, 9.0, 7.0, 20, 15)


def test_weights_are_twice_the_inverse_distance() -> None:
    weights = surface_weights(torch.full((1, 15, 20), 2.0), CAMERA)
    assert torch.allclose(weights[:, 0, :, :-1], torch.tensor(2 / (2.0 / 50)), rtol=1e-4)
    assert torch.allclose(weights[:, 1, :-1, :], torch.tensor(2 / (2.0 / 60)), rtol=1e-4)
    assert not weights[:, 0, :, -1].any()
    assert not weights[:, 1, -1, :].any()


def test_weights_without_any_depth_are_one() -> None:
    weights = surface_weights(torch.zeros(1, 15, 20), CAMERA)
    assert (weights[:, 0, :, :-1] == 1).all()


def test_depth_jump_weighs_little() -> None:
    depth = torch.full((1, 15, 20), 1.0)
    depth[..., 10:] = 2.0
    weights = surface_weights(depth, CAMERA)
    assert weights[0, 0, 5, 9] < 0.03 * weights[0, 0, 5, 5]


def test_gradient_of_a_ramp_is_its_slope_up_to_the_border() -> None:
    rows, columns = torch.meshgrid(torch.arange(15.0), torch.arange(20.0), indexing="ij")
    gradient = image_gradient((3 * columns - 2 * rows)[None], surface_weights(torch.full((1, 15, 20), 2.0), CAMERA))
    assert torch.allclose(gradient[:, 0], torch.tensor(3.0), atol=1e-4)
    assert torch.allclose(gradient[:, 1], torch.tensor(-2.0), atol=1e-4)


def test_gradient_beside_a_depth_jump_is_one_sided() -> None:
    depth = torch.full((1, 15, 20), 1.0)
    depth[..., 10:] = 2.0
    image = torch.where(depth > 1.5, 200.0, 50.0)
    gradient = image_gradient(image, surface_weights(depth, CAMERA))
    assert gradient[0, 0, 5, 9] < 0.1 * 75  # a central difference would give 75


def test_divergence_is_the_negative_adjoint_of_the_weighted_gradient() -> None:
    generator = torch.Generator().manual_seed(3)
    depth = torch.rand(2, 15, 20, generator=generator, dtype=torch.float64) + 1
    weights = surface_weights(depth, CAMERA)[:, :, None]
    flow = torch.randn(2, 3, 15, 20, generator=generator, dtype=torch.float64)
    duals = torch.randn(2, 2, 3, 15, 20, generator=generator, dtype=torch.float64)
    there = (weights * forward_difference(flow) * duals).sum()
    back = (flow * divergence(duals, weights)).sum()
    assert torch.allclose(there, -back, rtol=1e-12)
