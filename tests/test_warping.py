from __future__ import annotations

import torch
from motionpipe.models.warping import Warp


def constant_flow(u: float, v: float, height: int = 6, width: int = 8) -> torch.Tensor:
    return torch.tensor([u, v]).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


def test_no_flow_samples_the_very_bits() -> None:
    images = torch.rand(2, 3, 6, 8)
    warp = Warp.of(torch.zeros(2, 2, 6, 8))
    assert torch.equal(warp.bilinear(images), images)
    assert torch.equal(warp.depth(images[:, 0]), images[:, 0])
    assert warp.inside.all()


def test_linear_image_is_sampled_exactly_and_clamped() -> None:
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    image = (10 * rows + columns)[None, None]
    warp = Warp.of(constant_flow(1.25, -0.5))
    expected = 10 * (rows - 0.5).clamp(min=0) + (columns + 1.25).clamp(max=7)
    assert torch.allclose(warp.bilinear(image)[0, 0], expected)
    assert torch.equal(warp.inside[0], (rows >= 0.5) & (columns <= 5.75))


def test_items_of_a_batch_are_sampled_from_their_own_image() -> None:
    images = torch.stack([torch.zeros(1, 6, 8), torch.ones(1, 6, 8)])
    sampled = Warp.of(torch.randn(2, 2, 6, 8) * 20).bilinear(images)
    assert torch.allclose(sampled, images)


def test_depth_takes_the_nearest_beside_a_hole() -> None:
    depth = torch.full((1, 6, 8), 2.0)
    depth[0, 3, 4] = 0
    depth[0, 3, 3] = 1.0
    to_the_left, to_the_right = Warp.of(constant_flow(0.25, 0.0)), Warp.of(constant_flow(0.75, 0.0))
    assert to_the_left.depth(depth)[0, 3, 3] == 1.0
    assert to_the_right.depth(depth)[0, 3, 3] == 0.0
    assert to_the_left.depth(depth)[0, 3, 2] == 1.75
