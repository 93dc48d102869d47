import pytest
import torch
from motionpipe.models.backward_warp import backward_warp, enlarge_flow, stays_inside
from motionpipe.models.warping import Warp


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def constant(u, v, like):
    return torch.tensor([u, v], dtype=like.dtype).view(1, 2, 1, 1).expand(len(like), 2, *like.shape[2:])


def test_no_flow_changes_nothing():
    second = image(2, 3, 7, 9)
    torch.testing.assert_close(backward_warp(second, constant(0, 0, second)), second)


@pytest.mark.parametrize(("u", "v"), [(1, 0), (0, 2), (-2, 1)])
def test_a_shift_is_undone_inside_the_image(u, v):
    first = image(1, 1, 12, 14)
    second = first.roll((v, u), dims=(2, 3))
    warped = backward_warp(second, constant(u, v, second))
    torch.testing.assert_close(warped[..., 2:-2, 2:-2], first[..., 2:-2, 2:-2])


def test_taps_and_border_are_those_of_the_solvers_warp():
    second = image(2, 3, 8, 10)
    flow = 6 * image(2, 2, 8, 10) - 3
    torch.testing.assert_close(backward_warp(second, flow), Warp.of(flow).bilinear(second))


def test_gradients_reach_image_and_flow():
    second, flow = image(1, 2, 5, 6).requires_grad_(), (image(1, 2, 5, 6) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(backward_warp, (second, flow))


def test_a_mirrored_image_moves_the_other_way():
    second, flow = image(1, 3, 6, 8), 4 * image(1, 2, 6, 8) - 2
    mirrored = flow.flip(3) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(backward_warp(second.flip(3), mirrored), backward_warp(second, flow).flip(3))


def test_enlarged_flow_counts_the_larger_pixels():
    flow = constant(1.5, -2, torch.zeros(1, 1, 4, 6))
    large = enlarge_flow(flow, 4)
    assert large.shape == (1, 2, 16, 24)
    assert large[0, 0].unique().tolist() == [6]
    assert large[0, 1].unique().tolist() == [-8]


def test_features_of_eight_bits_are_drawn_from_the_same_places():
    second = torch.arange(80.0).expand(1, 1, 4, 80)
    flow = torch.tensor([0.3, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 80)
    drawn = backward_warp(second.bfloat16(), flow)
    torch.testing.assert_close(drawn[..., :79], second[..., :79] + 0.3, atol=1e-4, rtol=0)


def test_pixels_stay_inside_up_to_the_last():
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0, :, 0], flow[:, 0, :, 2], flow[:, 1, 2] = 3, 1.5, 0.1
    assert stays_inside(flow)[0].tolist() == [[True, True, False, True], [True, True, False, True], [False] * 4]
