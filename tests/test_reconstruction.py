import pytest
import torch
from motionpipe.models.reconstruction import area_downsample, charbonnier

ALL = torch.ones(1, 1, dtype=torch.bool)


def test_charbonnier_is_the_mean_absolute_difference_but_for_epsilon():
    a, b = torch.tensor([0.5, -0.25]).view(1, 1, 2, 1, 1), torch.tensor([0.0, 0.25]).view(1, 1, 2, 1, 1)
    assert float(charbonnier(a, b, ALL)) == pytest.approx(0.5)
    assert float(charbonnier(a, a, ALL)) == pytest.approx(1e-6)


def test_only_frames_that_follow_count():
    truth = torch.tensor([1.0, 3.0, 5.0]).view(1, 3, 1, 1, 1)
    follows = torch.tensor([[True, False, True]])
    assert float(charbonnier(torch.zeros_like(truth), truth, follows)) == pytest.approx(3)
    assert float(charbonnier(torch.zeros_like(truth), truth, torch.zeros_like(follows))) == 0


def test_charbonnier_has_a_gradient_where_nothing_differs():
    a = torch.zeros(1, 1, 3, 1, 1, requires_grad=True)
    charbonnier(a, torch.zeros(1, 1, 3, 1, 1), ALL).backward()
    assert torch.equal(a.grad, torch.zeros(1, 1, 3, 1, 1))


def test_downsampled_frames_are_the_means_of_their_pixels():
    frames = torch.arange(64.0).view(1, 1, 1, 8, 8).expand(2, 3, 3, 8, 8)
    small = area_downsample(frames, 4)
    assert small.shape == (2, 3, 3, 2, 2)
    assert small[1, 2, 0].tolist() == [[13.5, 17.5], [45.5, 49.5]]
