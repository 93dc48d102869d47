"""Cross-entropy rebalanced against the codewords that nearly every cell shows (Luo et al. 2017).

Shapes: B clips, n steps, K codewords, h x w cells.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def class_weights(prior: Tensor, smoothing: float, mixed: Tensor | None = None, nonzero: bool = False) -> Tensor:
    """Weights w ∝ ((1-λ)·p̃ + λ/K)^-1 with Σ p̃ w = 1, from the prior p̃ (K,) and λ = `smoothing` in [0, 1].

    mixed: what stands for p̃ inside the brackets, e.g. a smoothed prior; the mean weight of the training cells stays 1.
    nonzero: λ is shared by the codewords that occur, as in Zhang et al. 2016; the others get the largest weight.
    ValueError where a weight would be infinite: λ = 0 meets a codeword that never occurs.
    """
    p = prior.double()
    inside = p if mixed is None else mixed.double()
    occurs = inside > 0 if nonzero else torch.ones_like(inside, dtype=torch.bool)
    q = (1 - smoothing) * inside + smoothing * occurs / occurs.sum()
    if not bool((q[occurs] > 0).all()):
        raise ValueError("a codeword without training cells needs rebalance_lambda > 0")
    w = 1 / torch.where(occurs, q, q[occurs].min())
    return (w / (p * w).sum()).to(prior.dtype)


def smoothed_prior(prior: Tensor, centres: Tensor, sigma: float) -> Tensor:
    """The prior (K,) after each codeword has given its mass away by a Gaussian over the centres (K, C); sums to 1.

    sigma is in the units of the centres; 0 changes nothing.
    """
    if sigma == 0:
        return prior
    squared = torch.cdist(centres.double(), centres.double()).square()
    return (F.softmax(-squared / (2 * sigma**2), dim=1) * prior.double()[:, None]).sum(dim=0).to(prior.dtype)


def rebalanced_cross_entropy(logits: Tensor, codes: Tensor, valid: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the valid cells of -w(y*) log p(y*), and of -log p(y*): two scalars, in nats a cell.

    logits (B, n, K, h, w), codes int64 (B, n, h, w), valid bool (B, n, h, w), weights (K,). What the other cells
    contain does not matter; without a valid cell both are 0.
    """
    targets = codes.masked_fill(~valid, 0)
    rows = logits.movedim(2, -1).flatten(0, -2)  # no copy where the logits are channels-last
    nats = F.cross_entropy(rows, targets.flatten(), reduction="none").view_as(targets)
    return _means(nats, targets, valid, weights)


def rebalanced_soft_cross_entropy(
    logits: Tensor, soft: Tensor, codes: Tensor, valid: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean over the valid cells of -w(y*) Σ z log p with soft targets z (B, n, K, h, w), and of -Σ z log p.

    codes: y*, the likeliest codeword of z. All else as in `rebalanced_cross_entropy`, which one-hot targets equal.
    """
    targets = codes.masked_fill(~valid, 0)
    nats = -(soft * F.log_softmax(logits, dim=2)).sum(dim=2)
    return _means(nats, targets, valid, weights)


def _means(nats: Tensor, targets: Tensor, valid: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    nats = nats.masked_fill(~valid, 0)
    count = valid.sum().clamp(min=1)
    return (weights[targets] * nats).sum() / count, nats.sum() / count
