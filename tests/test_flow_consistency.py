import pytest
import torch
from motionpipe.models.flow_consistency import consistent

H, W = 24, 32


def moved(u, v, batch=1):
    """Flow (B, 2, H, W) of the same motion everywhere."""
    return torch.tensor([u, v], dtype=torch.float32)[None, :, None, None].expand(batch, 2, H, W).clone()


@pytest.mark.parametrize(("u", "v"), [(3, 0), (-3, 0), (0, 2), (2, -4)])
def test_of_a_translation_only_what_leaves_the_image_fails(u, v):
    agreed = consistent(moved(u, v), moved(-u, -v), moved(u, v), 0.01, 0.5)[0]
    x, y = torch.arange(W) + u, torch.arange(H)[:, None] + v
    stays = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    assert torch.equal(agreed, stays)


def square(top, left, side=8):
    mask = torch.zeros((H, W), dtype=torch.bool)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.mark.parametrize(("u", "v"), [(3, 0), (-5, 0), (0, 4), (2, 3)])
def test_a_moving_square_hides_exactly_the_pixels_that_it_comes_to_cover(u, v):
    before, after = square(8, 12), square(8 + v, 12 + u)
    forward = moved(u, v) * before
    backward = moved(-u, -v) * after
    agreed = consistent(forward, backward, forward, 0.01, 0.5)[0]
    assert torch.equal(~agreed, after & ~before)


def test_motion_in_space_is_compared_in_its_own_unit():
    """2 px right are 0.1 m; the way back is 0.03 m short and 0.04 m off in depth: 0.05 m in all."""
    forward, backward = torch.zeros((1, 3, H, W)), torch.zeros((1, 3, H, W))
    forward[:, 0], backward[:, 0], backward[:, 2] = 0.1, -0.07, 0.04
    inside = torch.arange(W) + 2 < W
    for slack, agrees in ((0.049, False), (0.051, True)):
        agreed = consistent(forward, backward, moved(2, 0), 0.0, slack)[0]
        assert torch.equal(agreed, inside.expand(H, W) & agrees)


def test_alpha_allows_a_part_of_the_length():
    for alpha, agrees in ((0.003, False), (0.006, True)):  # (10 - 9)^2 against alpha (100 + 81)
        agreed = consistent(moved(10, 0), moved(-9, 0), moved(10, 0), alpha, 1e-3)
        assert agreed[0, :, : W - 10].all() == agrees
        assert not agreed[0, :, W - 10 :].any()


def test_a_place_without_a_motion_does_not_agree_and_does_not_blur_its_neighbours():
    known = torch.ones((1, H, W), dtype=torch.bool)
    known[0, :, 20:] = False
    backward = moved(-0.25, 0) * known
    agreed = consistent(moved(0.25, 0), backward, moved(0.25, 0), 0.0, 1e-3, known)[0]
    assert agreed[:, :20].all()  # at 19.25 the nearest pixel is known, and is not mixed with the zeros beside it
    assert not agreed[:, 20:].any()


def test_each_of_a_batch_by_itself():
    generator = torch.Generator().manual_seed(0)
    forward, backward = (3 * torch.randn((3, 2, H, W), generator=generator) for _ in range(2))
    known = torch.rand((3, H, W), generator=generator) > 0.2
    together = consistent(forward, backward, forward, 0.2, 2.0, known)
    assert 0.05 < together.float().mean() < 0.9
    for i in range(3):
        part = slice(i, i + 1)
        alone = consistent(forward[part], backward[part], forward[part], 0.2, 2.0, known[part])
        assert torch.equal(together[part], alone)
