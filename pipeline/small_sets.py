"""Small training sets: so many videos of each class, drawn again and again (Srivastava et al. 2015, figure 12)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def draw_small_set(labels: Sequence[int], per_class: int, seed: int) -> list[int]:
    """Indices of `per_class` videos of each class, ascending; all of a class that has no more."""
    every = np.asarray(labels)
    drawn: list[int] = []
    for label in np.unique(every).tolist():
        members = np.flatnonzero(every == label)
        chosen = np.random.default_rng([seed, int(label)]).permutation(members)[:per_class]
        drawn += chosen.tolist()
    return sorted(drawn)
