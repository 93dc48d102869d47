"""The learnable codebook: centres that training moves, without pulling all cells onto one of them.

    L = CE_w(stopgrad(a), p) + α · |y - Σ a_k c_k|² + β · KL(mean a ‖ uniform),   a_k = softmax_k(-|y - c_k|² / τ)

Cells y and centres c are in units of `Codebook.scale`, so that α, β and τ mean the same for every dataset. Gradients
of the cross-entropy must not reach a: the network and the targets would agree on one codeword for every cell.

Shapes: N cells, K codewords, C components.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from ..schemas.codebook import SoftStart

if TYPE_CHECKING:
    from ..schemas.atomic_flow import AtomicFlowSection


@dataclass(frozen=True)
class Fitness:
    """How well centres stand for cells: scalars with gradients.

    reconstruction: mean squared distance of a cell to its soft decoding. usage: KL divergence of the mean assignment
    from the uniform distribution [nats].
    """

    reconstruction: Tensor
    usage: Tensor

    def perplexity(self, size: int) -> Tensor:
        """Effective number of codewords in use: exp of the entropy of the mean assignment."""
        return (math.log(size) - self.usage).exp()


def soft_assignment(cells: Tensor, centres: Tensor, temperature: float) -> Tensor:
    """a (..., K) = softmax of -|y - c|² / τ, from cells (..., C) and centres (K, C); τ > 0 in their squared units."""
    # |y|² is the same for all k and leaves softmax alone; a product instead of (N, K, C) differences
    return F.softmax((2 * cells @ centres.T - centres.square().sum(dim=1)) / temperature, dim=-1)


def fitness(cells: Tensor, weights: Tensor, centres: Tensor, assignment: Tensor) -> Fitness:
    """Reconstruction and usage terms of cells (N, C) with weights (N,), e.g. 0 for invalid ones; not all need be 0."""
    share = weights / weights.sum().clamp(min=1e-12)
    distances = (cells - assignment @ centres).square().sum(dim=1)
    mean = (share[:, None] * assignment).sum(dim=0)
    usage = (mean * (mean.clamp(min=1e-12).log() + math.log(len(centres)))).sum()
    return Fitness((share * distances).sum(), usage)


def temperature(config: AtomicFlowSection, start: SoftStart, progress: float) -> float:
    """τ at a part `progress` (0 to 1) of the run: falls geometrically between the two of `atomic_flow.temperature`."""
    first, last = config.temperature
    return float(first * (last / first) ** progress * start.spread)


def usage_weight(config: AtomicFlowSection, start: SoftStart) -> float:
    """β: the usage term begins as `atomic_flow.codebook_usage` of the reconstruction term, over the training cells."""
    return config.codebook_usage * config.codebook_alpha * start.reconstruction / max(start.usage, 1e-6)
