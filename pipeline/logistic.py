"""Multinomial logistic regression in torch: the linear probe of machines that have no scikit-learn.

Shapes: R rows of D features, L classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from .metrics import average_by_recording

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Logistic:
    """Standardisation and weights; `classes` ascend."""

    mean: Rows
    scale: Rows
    weights: Rows
    classes: npt.NDArray[np.int64]

    def scores(self, x: Rows) -> Rows:
        """Probabilities (R, L)."""
        standard = torch.from_numpy(_with_one((x - self.mean) / self.scale))
        return np.asarray((standard @ torch.from_numpy(self.weights)).softmax(dim=1).numpy())


def fit_logistic(x: Rows, labels: npt.NDArray[np.int64], strength: float) -> Logistic:
    """Minimise `strength` times the summed cross-entropy plus half the squared weights, on standardised features.

    The same objective as scikit-learn's with C = strength; the intercepts are free.
    """
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    classes, targets = np.unique(labels, return_inverse=True)
    rows, goal = torch.from_numpy(_with_one((x - mean) / scale)), torch.from_numpy(targets.astype(np.int64))
    weights = torch.zeros(rows.shape[1], len(classes), dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-6)

    def objective() -> torch.Tensor:
        solver.zero_grad()
        value = strength * F.cross_entropy(rows @ weights, goal, reduction="sum") + weights[:-1].square().sum() / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(objective)  # type: ignore[no-untyped-call]
    return Logistic(mean, scale, weights.detach().numpy(), classes)


def choose_strength(
    x: Rows, labels: npt.NDArray[np.int64], recording_ids: Sequence[str], groups: Sequence[str], grid: Sequence[float]
) -> float:
    """The strength whose recordings are classified best by leaving out a third of the groups at a time.

    The smaller one on a tie; the middle of the grid where there are fewer than three groups.
    """
    names = sorted(set(groups))
    if len(names) < 3:
        return sorted(grid)[len(grid) // 2]
    fold_of = np.array([names.index(group) % 3 for group in groups])
    hits = {strength: 0 for strength in sorted(grid)}
    for fold in range(3):
        held = fold_of == fold
        ids = [recording for recording, out in zip(recording_ids, held, strict=True) if out]
        label_of = dict(zip(ids, labels[held].tolist(), strict=True))
        for strength in hits:
            probe = fit_logistic(x[~held], labels[~held], strength)
            recordings, scores = average_by_recording(probe.scores(x[held]), ids)
            predicted = probe.classes[scores.argmax(axis=1)].tolist()
            hits[strength] += sum(label_of[r] == label for r, label in zip(recordings, predicted, strict=True))
    return max(hits, key=lambda strength: (hits[strength], -strength))


def _with_one(x: Rows) -> Rows:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)
