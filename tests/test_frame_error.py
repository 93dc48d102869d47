import math

import numpy as np
import pytest
import torch
from motionpipe.models.frame_error import l1_error, psnr, ssim, synthesise_by_flow
from scipy.ndimage import gaussian_filter


def frames(*values, side=16):
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, side, side).contiguous()


def noisy(seed, level=0.2):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(2, 3, 24, 32, generator=generator) * 1.6 - 0.8
    return truth + level * torch.randn(truth.shape, generator=generator), truth


def test_l1_is_on_the_range_of_minus_one_to_one_and_clamps():
    assert l1_error(frames(-1.0, 0.0, 3.0), frames(1.0, 0.5, 1.0)).tolist() == [2, 0.5, 0]


def test_psnr_of_known_differences():
    difference = 2 / 255
    values = psnr(frames(difference, 1.0, 0.3), frames(0.0, -1.0, 0.3)).tolist()
    assert values[0] == pytest.approx(20 * math.log10(255), abs=1e-4)
    assert values[1:] == [0, math.inf]


def test_ssim_of_flat_frames_is_its_luminance_term():
    a, b = 0.25, 0.75  # on [0, 1]
    expected = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    assert float(ssim(frames(2 * a - 1), frames(2 * b - 1))) == pytest.approx(expected, abs=1e-6)


def test_ssim_is_one_only_for_equal_frames_falls_with_noise_and_is_symmetric():
    predicted, truth = noisy(0, level=0.1)
    torch.testing.assert_close(ssim(truth, truth), torch.ones(2))
    worse, _ = noisy(0, level=0.3)
    assert (ssim(worse, truth) < ssim(predicted, truth)).all()
    assert (ssim(predicted, truth) < 1).all()
    clamped = predicted.clamp(-1, 1)
    torch.testing.assert_close(ssim(clamped, truth), ssim(truth, clamped))


def test_ssim_agrees_with_gaussian_filters_of_scipy():
    predicted, truth = noisy(1)

    def blur(plane):
        return gaussian_filter(plane, sigma=1.5, truncate=3.5)[5:-5, 5:-5]  # radius 5: the window of 11

    values = []
    for a, b in zip(predicted.clamp(-1, 1).numpy().astype(float), truth.numpy().astype(float), strict=True):
        planes = []
        for x, y in zip((a + 1) / 2, (b + 1) / 2, strict=True):
            mx, my = blur(x), blur(y)
            vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
            planes.append((2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
        values.append(np.mean(planes))
    np.testing.assert_allclose(ssim(predicted, truth).numpy(), values, rtol=1e-5)


def test_ssim_needs_room_for_its_window():
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(frames(0.0, side=10), frames(0.0, side=10))


def test_backward_flow_takes_the_first_frame_to_the_second():
    """A square moves 3 right and 1 down, so that the flow from the second frame back is (-3, -1)."""
    first, second = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    first[..., 4:8, 4:8], second[..., 5:9, 7:11] = 1, 1
    backward = torch.zeros(1, 2, 16, 16)
    backward[:, 0], backward[:, 1] = -3, -1
    assert torch.equal(synthesise_by_flow(first, backward), second)
    assert torch.equal(synthesise_by_flow(first, torch.zeros(1, 2, 16, 16)), first)


def test_flow_between_pixels_is_bilinear():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    backward = torch.full((1, 2, 16, 16), 0.25)
    torch.testing.assert_close(synthesise_by_flow(ramp, backward)[0, 0, 5, :-1], torch.arange(15.0) + 0.25)
