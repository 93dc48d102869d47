"""What the flow of the training split is made of, axis by axis, before anything is fitted or trained.

Flow is stored in float16, of which there are 31,744 finite magnitudes: counting each gives exact quantiles of any
number of cells, and counts of many shards add up in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.flow import FlowCells

STATIC, DEPTH_ALONE, IN_PLANE = 0, 1, 2
CLASSES = ("static", "depth_alone", "in_plane")
"""A cell that moves less than the threshold; one that does more only because of δz; one that moves in the picture."""

_MAGNITUDES = 0x7C00  # the bits of float16 infinity: finite magnitudes lie below
_VALUES = np.arange(_MAGNITUDES, dtype=np.uint16).view(np.float16).astype(np.float64)


@dataclass(frozen=True)
class CellSurvey:
    """Counts of |component|: int64 (3 classes, C axes, 31,744 magnitudes); cells: all, invalid ones too."""

    magnitudes: npt.NDArray[np.int64]
    cells: int

    def __add__(self, other: CellSurvey) -> CellSurvey:
        return CellSurvey(self.magnitudes + other.magnitudes, self.cells + other.cells)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Valid cells of each class (3,)."""
        return np.asarray(self.magnitudes[:, 0].sum(axis=1))

    def moving_classes(self, components: int) -> list[int]:
        """Classes that move as far as the first `components` components tell."""
        return [IN_PLANE] if components == 2 else [DEPTH_ALONE, IN_PLANE]

    def quantile(self, classes: list[int], share: float) -> npt.NDArray[np.float64]:
        """Smallest magnitude (C,) that at least `share` of the cells of some classes do not pass; 0 without cells."""
        cumulative = np.cumsum(self.magnitudes[classes].sum(axis=0), axis=1)
        needed = np.maximum(np.ceil(share * cumulative[:, -1]), 1)
        return np.array(
            [
                _VALUES[min(np.searchsorted(c, n), _MAGNITUDES - 1)] if c[-1] else 0.0
                for c, n in zip(cumulative, needed, strict=True)
            ]
        )

    def rms(self, classes: list[int]) -> npt.NDArray[np.float64]:
        """Root mean square (C,) over the cells of some classes; 0 without cells."""
        counts = self.magnitudes[classes].sum(axis=0)
        return np.asarray(np.sqrt(counts @ np.square(_VALUES) / np.maximum(counts.sum(axis=1), 1)))


def no_cells(channels: int) -> CellSurvey:
    """The survey of nothing."""
    return CellSurvey(np.zeros((len(CLASSES), channels, _MAGNITUDES), dtype=np.int64), 0)


def survey_cells(cells: FlowCells, threshold: float) -> CellSurvey:
    """The survey of one sample; `threshold`: length of the motion of a cell from which it moves."""
    flow = np.moveaxis(cells.flow, 1, -1)[cells.cell_is_valid()]
    classes = classify_motion(flow, threshold).astype(np.int64)
    bits = (flow.view(np.uint16) & 0x7FFF).astype(np.int64) + classes[:, None] * _MAGNITUDES
    length = len(CLASSES) * _MAGNITUDES
    counts = [np.bincount(bits[:, axis], minlength=length) for axis in range(flow.shape[1])]
    by_axis = np.stack(counts).reshape(flow.shape[1], len(CLASSES), _MAGNITUDES)
    return CellSurvey(np.ascontiguousarray(by_axis.swapaxes(0, 1)), cells.valid.size)


def classify_motion(vectors: npt.NDArray[np.floating[Any]], threshold: float) -> npt.NDArray[np.int8]:
    """Class (N,) of each flow vector (N, C)."""
    values = vectors.astype(np.float32)
    in_plane = np.linalg.norm(values[:, :2], axis=1) >= threshold
    moves = np.linalg.norm(values, axis=1) >= threshold
    return np.where(in_plane, IN_PLANE, np.where(moves, DEPTH_ALONE, STATIC)).astype(np.int8)


def clip_range(survey: CellSurvey, components: int, percentile: float) -> npt.NDArray[np.float32]:
    """Largest component kept on each of the first axes: a percentile over the cells that move."""
    limits = survey.quantile(survey.moving_classes(components), percentile / 100)[:components]
    return np.maximum(limits, 1e-4).astype(np.float32)


def moving_rms(survey: CellSurvey, components: int) -> npt.NDArray[np.float32]:
    """RMS of the first components of the cells that move: the unit of a learnable codebook."""
    return np.maximum(survey.rms(survey.moving_classes(components))[:components], 1e-6).astype(np.float32)


def survey_report(survey: CellSurvey, threshold: float) -> dict[str, Any]:
    """Shares of the classes and, for each axis, RMS, median and 95 % quantile of |component| of each and of all cells.

    `noise`: RMS of an axis over the cells that do not move in the picture plane, static or with δz alone. δx and δy of
    such cells lie below the threshold by definition; δz does not, and is mostly error. `signal_to_noise`: RMS over the
    cells that move in the plane, by that noise.
    """
    valid = int(survey.counts.sum())
    noise, signal = survey.rms([STATIC, DEPTH_ALONE]), survey.rms([IN_PLANE])
    groups = {"all": list(range(len(CLASSES))), **{label: [number] for number, label in enumerate(CLASSES)}}
    axes = []
    for axis, name in enumerate("xyz"[: survey.magnitudes.shape[1]]):
        figures: dict[str, Any] = {
            label: {
                "rms": _round(survey.rms(classes)[axis]),
                "median": _round(survey.quantile(classes, 0.5)[axis]),
                "p95": _round(survey.quantile(classes, 0.95)[axis]),
            }
            for label, classes in groups.items()
        }
        ratio = _round(signal[axis] / noise[axis]) if noise[axis] > 0 else None
        axes.append({"axis": name, "noise": _round(noise[axis]), "signal_to_noise": ratio, **figures})
    shares = {label: _round(count / max(valid, 1)) for label, count in zip(CLASSES, survey.counts, strict=True)}
    return {"cells": survey.cells, "valid": valid, "threshold": threshold, "shares": shares, "axes": axes}


def _round(value: float) -> float:
    return float(f"{value:.6g}")
