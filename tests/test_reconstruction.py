import pytest
import torch
from motionpipe.models.reconstruction import area_downsample, charbonnier


def test_charbonnier_is_the_mean_absolute_difference_but_for_epsilon():
    a, b = torch.tensor([[0.5, -0.25]]), torch.tensor([[0.0, 0.25]])
    assert float(charbonnier(a, b)) == pytest.approx(0.5)
    assert float(charbonnier(a, a)) == pytest.approx(1e-6)


def test_charbonnier_has_a_gradient_where_nothing_differs():
    a = torch.zeros(3, requires_grad=True)
    charbonnier(a, torch.zeros(3)).backward()
    assert torch.equal(a.grad, torch.zeros(3))


def test_downsampled_frames_are_the_means_of_their_pixels():
    frames = torch.arange(64.0).view(1, 1, 1, 8, 8).expand(2, 3, 3, 8, 8)
    small = area_downsample(frames, 4)
    assert small.shape == (2, 3, 3, 2, 2)
    assert small[1, 2, 0].tolist() == [[13.5, 17.5], [45.5, 49.5]]
