"""What scene flow reads and returns: pairs of registered RGB-D frames, and their motion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MAX_DEPTH_M = 100.0


@dataclass(frozen=True)
class RGBDPair:
    """Two registered RGB-D frames, or B of them: float32 (B, H, W) on one device.

    Intensity is grey 0..255 (zeros leave the intensity term out), depth metres with 0 = invalid.
    Raises ValueError where shapes, types or ranges are wrong, such as depth in millimetres.
    """

    intensity1: Tensor
    depth1: Tensor
    intensity2: Tensor
    depth2: Tensor

    def __post_init__(self) -> None:
        for name, image in vars(self).items():
            if image.dtype != torch.float32 or image.dim() != 3:
                raise ValueError(f"{name} must be float32 (B, H, W), got {image.dtype} {tuple(image.shape)}")
            if image.shape != self.depth1.shape:
                raise ValueError(f"{name} is {tuple(image.shape)}, depth1 is {tuple(self.depth1.shape)}")
            if image.numel() == 0 or min(image.shape[1:]) < 2:
                raise ValueError(f"{name} {tuple(image.shape)}: frames need at least 2x2 pixels")
            low, high = (float(bound) for bound in image.aminmax())
            limit, hint = (MAX_DEPTH_M, "depth is in metres") if "depth" in name else (255.0, "intensity is 0..255")
            if not 0 <= low <= high <= limit:  # also refuses NaN
                raise ValueError(f"{name} must lie in 0..{limit:g}, got {low:g}..{high:g}: {hint}")


@dataclass(frozen=True)
class SceneFlow:
    """Motion from frame 1 to frame 2, at the pixels of frame 1.

    motion: (B, 3, H, W) metres: right, down, away; 0 where depth1 is invalid. optical: (B, 2, H, W) pixels u, v.
    valid: (B, H, W) bool: depth1 is valid, and the place in frame 2 is in the image and has valid depth, in all four
    pixels around it or the nearest. Occlusion is not detected.
    """

    motion: Tensor
    optical: Tensor
    valid: Tensor
