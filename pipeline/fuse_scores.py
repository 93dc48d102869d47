"""Scores of two streams as one: their weighted sum, and which weight does best where it may be chosen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .metrics import score

Scores = npt.NDArray[np.float64]
SHARES = tuple(round(0.05 * step, 2) for step in range(21))
"""Weights of the second stream that are tried, of a sum of 1."""


def fuse_scores(first: Scores, second: Scores, share: float) -> Scores:
    """(1 - share) · first + share · second, both (N, classes)."""
    if first.shape != second.shape:
        raise ValueError(f"scores of {first.shape} and {second.shape} cannot be fused")
    return (1 - share) * first + share * second


def best_share(first: Scores, second: Scores, labels: npt.NDArray[np.int64], classes: npt.NDArray[np.int64]) -> float:
    """The share of SHARES with the highest top-1 on these recordings; of equal ones that nearest to a half."""
    hits = [score(fuse_scores(first, second, share), labels, classes).top1 for share in SHARES]
    return max(zip(SHARES, hits, strict=True), key=lambda pair: (pair[1], -abs(pair[0] - 0.5)))[0]
