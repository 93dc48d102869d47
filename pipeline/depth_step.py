"""The quantisation step of stored depth, which bounds how well δz can be known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def depth_step_mm(images: Iterable[npt.NDArray[np.uint16]]) -> float | None:
    """Median over the valid pixels of the gap from their depth to the next larger one of the same image [mm].

    Images (H, W) in millimetres, 0 = invalid. None where no image holds two depths.
    """
    gaps, weights = [], []
    for image in images:
        depths, counts = np.unique(image[image > 0], return_counts=True)
        gaps.append(np.diff(depths.astype(np.int64)))
        weights.append(counts[:-1])
    gap, weight = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (gaps, weights))
    if not len(gap):
        return None
    order = np.argsort(gap, kind="stable")
    cumulative = np.cumsum(weight[order])
    return float(gap[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
