"""Flow cells to codewords and back (Luo et al. 2017, atomic 3D flows).

Shapes: K codewords of C components (3: metres a step; 2: pixels a step, or metres where δz is dropped) on a grid of
h x w cells. Flow may have more components than the codebook: those after the first C are dropped here, and only here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..schemas.codebook import Codebook

CHUNK_CELLS = 8192  # distances of a chunk to 64 centres are 2 MiB: they stay in the cache
NEIGHBOURS = 5
"""Codewords that share a soft target."""


def codebook_tensors(book: Codebook) -> tuple[Tensor, Tensor, Tensor]:
    """(centres, clip, scale) of a codebook, as `encode` and `encode_soft` take them."""
    return torch.from_numpy(book.centres), torch.from_numpy(book.clip), torch.from_numpy(book.axis_scale())


def encode(flow: Tensor, centres: Tensor, clip: Tensor, scale: Tensor) -> Tensor:
    """Index of the nearest centre of every cell, after its components are clipped to [-clip, clip].

    flow (..., C or more, h, w) any float type, centres (K, C), clip (C,) -> int64 (..., h, w). Distances are Euclidean
    in units of `scale` (C,). Ties go to the lowest index.
    """
    scaled = centres / scale
    return _by_chunks(flow, clip, scale, lambda cells: _squared_distances(cells, scaled).argmin(dim=1))


def encode_soft(flow: Tensor, centres: Tensor, clip: Tensor, scale: Tensor) -> Tensor:
    """Distributions over the codewords: a Gaussian of width `scale` over the five nearest centres.

    Shapes and units as in `encode`; returns (..., K, h, w). After Zhang et al. 2016, Colorful image colorization, 2.2.
    """
    scaled = centres / scale

    def soften(cells: Tensor) -> Tensor:
        squared, codes = _squared_distances(cells, scaled).topk(min(NEIGHBOURS, len(scaled)), dim=1, largest=False)
        # softmax: far from all centres the plain Gaussian is 0 / 0
        weights = F.softmax(-0.5 * squared, dim=1)
        return torch.zeros(len(cells), len(scaled), dtype=cells.dtype, device=cells.device).scatter_(1, codes, weights)

    return _by_chunks(flow, clip, scale, soften).movedim(-1, -3)


def decode_codes(codes: Tensor, centres: Tensor) -> Tensor:
    """Centres of the codes: int64 (..., h, w), centres (K, C) -> (..., C, h, w)."""
    return centres[codes].movedim(-1, -3)


def decode_probabilities(probabilities: Tensor, centres: Tensor) -> Tensor:
    """Expected flow under a distribution over the codewords: (..., K, h, w), centres (K, C) -> (..., C, h, w)."""
    return torch.einsum("...khw,kc->...chw", probabilities, centres)


def scaled_cells(flow: Tensor, clip: Tensor, scale: Tensor) -> Tensor:
    """Cells in the codebook's own units: flow (..., C or more, h, w), clip and scale (C,) -> (..., h, w, C)."""
    kept = flow.movedim(-3, -1)[..., : len(clip)]
    return kept.to(clip.dtype).clamp(-clip, clip) / scale


def mirrored_codes(centres: Tensor, scale: Tensor) -> Tensor:
    """Codes of the mirror images (δx negated) of the centres (K, C) -> int64 (K,).

    An involution for uniform and symmetric codebooks; for others mirroring a map of codes by it is only approximate.
    """
    mirrored = centres * centres.new_tensor([-1, *[1] * (centres.shape[1] - 1)])
    parts = torch.split(mirrored / scale, 1024)
    return torch.cat([_squared_distances(part, centres / scale).argmin(dim=1) for part in parts])


def _by_chunks(flow: Tensor, clip: Tensor, scale: Tensor, of_cells: Callable[[Tensor], Tensor]) -> Tensor:
    """`of_cells` of the scaled cells (N, C), a few at a time: (..., C, h, w) -> (..., h, w, whatever it returns)."""
    grid = (*flow.shape[:-3], *flow.shape[-2:])
    cells = scaled_cells(flow, clip, scale).reshape(-1, len(clip))
    results = torch.cat([of_cells(chunk) for chunk in torch.split(cells, CHUNK_CELLS)])
    return results.reshape(*grid, *results.shape[1:])


def _squared_distances(cells: Tensor, centres: Tensor) -> Tensor:
    """(N, K). Differences are squared one by one: |x|² - 2xc + |c|² would break ties by rounding."""
    distances = torch.zeros(len(cells), len(centres), dtype=cells.dtype, device=cells.device)
    for channel in range(centres.shape[1]):
        distances += (cells[:, channel, None] - centres[None, :, channel]).square_()
    return distances
