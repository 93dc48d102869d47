"""How far predicted frames are from true ones: ℓ1 on [-1, 1], PSNR and SSIM, one figure a frame.

Sources: Tian et al. 2020, 4.1 (ℓ1); Wang et al., IEEE TIP 2004 (SSIM, its Gaussian window and constants). Predictions
are first clamped to [-1, 1], as a display would.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .warping import Warp

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03


def l1_error(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of frames (N, 3, H, W) on [-1, 1]: (N,), twice that on [0, 1]."""
    return (predicted.clamp(-1, 1) - truth).abs().flatten(1).mean(dim=1)


def psnr(predicted: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of frames (N, 3, H, W) on [-1, 1], over all colours: (N,) dB.

    inf where equal, as frames that a video repeats are after copying: who averages must say what becomes of them.
    """
    squared = (predicted.clamp(-1, 1) - truth).square().flatten(1).mean(dim=1)
    return 10 * torch.log10(2**2 / squared)


def ssim(predicted: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of frames (N, C, H, W) on [-1, 1], sides of at least 11: (N,), 1 where equal.

    Computed on [0, 1] for each colour, in an 11x11 Gaussian window (σ = 1.5) wherever it lies inside, then averaged.
    """
    if min(truth.shape[2:]) < WINDOW:
        raise ValueError(f"SSIM needs frames of at least {WINDOW}x{WINDOW} pixels, got {tuple(truth.shape[2:])}")
    a, b = (predicted.clamp(-1, 1).double() + 1) / 2, (truth.double() + 1) / 2
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a, variance_b = _blur(a * a) - mean_a.square(), _blur(b * b) - mean_b.square()
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + K1**2) / (mean_a.square() + mean_b.square() + K1**2)
    structure = (2 * covariance + K2**2) / (variance_a + variance_b + K2**2)
    return (luminance * structure).flatten(1).mean(dim=1).to(truth.dtype)


def synthesise_by_flow(first: Tensor, backward: Tensor) -> Tensor:
    """The second frame as optical flow predicts it: first(x + F(x)), bilinear, border pixels beyond: (N, C, H, W).

    first (N, C, H, W); backward (N, 2, H, W) is the flow from the second frame to the first, u right and v down [px].
    """
    return Warp.of(backward).bilinear(first)


def _blur(images: Tensor) -> Tensor:
    """Gaussian means of (N, C, H, W) inside the frame, rows first: (N, C, H - 10, W - 10)."""
    offsets = torch.arange(WINDOW, dtype=images.dtype, device=images.device) - WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    weights = weights / weights.sum()
    planes = images.flatten(0, 1)[:, None]
    planes = F.conv2d(F.conv2d(planes, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return planes.view(*images.shape[:2], *planes.shape[2:])
