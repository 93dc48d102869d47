"""Frames of moving digits on any device: what `pipeline.moving_mnist.paste` draws, to the bit.

Shapes: S sequences, T frames, D digits.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def draw_digits(digits: Tensor, corners: Tensor, side: int) -> Tensor:
    """uint8 (S, T, side, side): digits uint8 (S, D, h, h), upper left corners (S, T, D, 2) y, x; the maximum wins."""
    height = digits.shape[-1]
    margin = side - height
    padded = F.pad(digits, (margin, margin, margin, margin))
    place = torch.arange(side, device=digits.device) + margin
    rows = (place - corners[..., 0, None])[..., :, None]
    columns = (place - corners[..., 1, None])[..., None, :]
    sequence = torch.arange(len(digits), device=digits.device)[:, None, None, None, None]
    number = torch.arange(digits.shape[1], device=digits.device)[:, None, None]
    return padded[sequence, number, rows, columns].amax(dim=2)
