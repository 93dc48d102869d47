"""The forward-backward check: where the flow there and the flow back do not cancel, one of them is wrong.

Occluded pixels fail it, for what covers them has come from elsewhere. Source: Sundaram, Brox, Keutzer, "Dense point
trajectories by GPU-accelerated large displacement optical flow", ECCV 2010, eq. 5; the form is that of UnFlow (Meister,
Hur, Roth, AAAI 2018), whose alpha is 0.01 and whose beta, here slack^2, is 0.5 px^2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .warping import Warp


@torch.inference_mode()
def consistent(
    forward: Tensor, backward: Tensor, optical: Tensor, alpha: float, slack: float, known: Tensor | None = None
) -> Tensor:
    """Pixels x of the first frame with |f(x) + b(x + o)|^2 < alpha (|f(x)|^2 + |b(x + o)|^2) + slack^2.

    forward, backward: (B, C, H, W) motion from frame 1 to 2 at the pixels of frame 1, and from 2 to 1 at those of frame
    2, in one unit (pixels, or metres in space), which is also that of `slack`. optical: (B, 2, H, W), the forward
    motion in pixels, which says where to look. known: (B, H, W) bool, pixels of frame 2 whose motion counts; between
    known and unknown ones the nearest pixel is taken. Returns (B, H, W) bool: False also where x + o lies outside the
    image or is not known.
    """
    warp = Warp.of(optical)
    back = _sample(warp, backward, known)
    difference = (forward + back).square().sum(dim=1)
    bound = alpha * (forward.square().sum(dim=1) + back.square().sum(dim=1)) + slack**2
    agreed = (difference < bound) & warp.inside
    if known is None:
        return agreed
    return agreed & (warp.depth(known.to(backward.dtype)) > 0)


def _sample(warp: Warp, motion: Tensor, known: Tensor | None) -> Tensor:
    """`motion` (B, C, H, W) where the warp looks: bilinear, but the nearest pixel where one of the four is unknown."""
    smooth = warp.bilinear(motion)
    if known is None:
        return smooth
    all_known = warp.bilinear(known[:, None].to(motion.dtype)) > 1 - 1e-6
    nearest = motion.movedim(1, -1).reshape(-1, motion.shape[1])[warp.nearest]
    return torch.where(all_known, smooth, nearest.view(*warp.inside.shape, -1).movedim(-1, 1))
