"""Cross-entropy rebalanced against the codewords that nearly every cell shows (Luo et al. 2017).

Shapes: B clips, n steps, K codewords, h x w cells.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def class_weights(prior: Tensor, smoothing: float) -> Tensor:
    """Weights w ∝ ((1-λ)·p̃ + λ/K)^-1 with Σ p̃ w = 1, from the prior p̃ (K,) and λ = `smoothing` in [0, 1].

    ValueError where λ = 0 meets a codeword that never occurs: its weight would be infinite.
    """
    p = prior.double()
    q = (1 - smoothing) * p + smoothing / len(p)
    if not bool((q > 0).all()):
        raise ValueError("a codeword without training cells needs rebalance_lambda > 0")
    w = 1 / q
    return (w / (p * w).sum()).to(prior.dtype)


def rebalanced_cross_entropy(logits: Tensor, codes: Tensor, valid: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the valid cells of -w(y*) log p(y*), and of -log p(y*): two scalars, in nats a cell.

    logits (B, n, K, h, w), codes int64 (B, n, h, w), valid bool (B, n, h, w), weights (K,). What the other cells
    contain does not matter; without a valid cell both are 0.
    """
    targets = codes.masked_fill(~valid, 0)
    rows = logits.movedim(2, -1).flatten(0, -2)  # no copy where the logits are channels-last
    nats = F.cross_entropy(rows, targets.flatten(), reduction="none").view_as(targets).masked_fill(~valid, 0)
    count = valid.sum().clamp(min=1)
    return (weights[targets] * nats).sum() / count, nats.sum() / count
