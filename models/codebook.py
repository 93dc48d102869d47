"""Flow cells to codewords and back (Luo et al. 2017, atomic 3D flows).

Shapes: K codewords of C components (3: metres a step; 2: pixels a step) on a grid of h x w cells.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK_CELLS = 8192  # distances of a chunk to 64 centres are 2 MiB: they stay in the cache


def encode(flow: Tensor, centres: Tensor, clip: Tensor) -> Tensor:
    """Index of the nearest centre (Euclidean) of every cell, after its components are clipped to [-clip, clip].

    flow (..., C, h, w) any float type, centres (K, C), clip (C,) -> int64 (..., h, w). Ties go to the lowest index.
    """
    cells = flow.movedim(-3, -1)
    flat = cells.reshape(-1, cells.shape[-1]).to(centres.dtype).clamp(-clip, clip)
    codes = [_nearest(chunk, centres) for chunk in torch.split(flat, CHUNK_CELLS)]
    return torch.cat(codes).reshape(cells.shape[:-1])


def decode_codes(codes: Tensor, centres: Tensor) -> Tensor:
    """Centres of the codes: int64 (..., h, w), centres (K, C) -> (..., C, h, w)."""
    return centres[codes].movedim(-1, -3)


def decode_probabilities(probabilities: Tensor, centres: Tensor) -> Tensor:
    """Expected flow under a distribution over the codewords: (..., K, h, w), centres (K, C) -> (..., C, h, w)."""
    return torch.einsum("...khw,kc->...chw", probabilities, centres)


def _nearest(cells: Tensor, centres: Tensor) -> Tensor:
    """Differences are squared one by one: |x|² - 2xc + |c|² would break ties by rounding."""
    distances = torch.zeros(len(cells), len(centres), dtype=cells.dtype, device=cells.device)
    for channel in range(centres.shape[1]):
        distances += (cells[:, channel, None] - centres[None, :, channel]).square_()
    return distances.argmin(dim=1)
