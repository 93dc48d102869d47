"""A part of the labelled recordings, for learning with fewer labels: drawn by seed, whole groups, class by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .clip_plan import TrainSample


def labelled_share(samples: Sequence[TrainSample], share: float, seed: int) -> list[TrainSample]:
    """About `share` of each class's samples, in their order; at least one group of each class.

    Groups (subjects, source films) stay whole, so that what is left out is as new as a test recording would be; a group
    is taken where that brings the class nearer to its share.
    """
    generator = np.random.default_rng([seed, 0x1ABE1])
    kept = set[tuple[int, str]]()
    for label in sorted({sample.label for sample in samples}):
        names, counts = np.unique([s.group for s in samples if s.label == label], return_counts=True)
        target, taken = share * counts.sum(), 0
        for place in generator.permutation(len(names)).tolist():
            count = int(counts[place])
            if not taken or abs(taken + count - target) < abs(taken - target):
                kept.add((label, str(names[place])))
                taken += count
    return [sample for sample in samples if (sample.label, sample.group) in kept]
