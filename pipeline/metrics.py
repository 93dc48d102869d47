"""Figures of a classifier, one row a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Metrics:
    """How well n recordings were classified; all parts are fractions in [0, 1].

    top1, top5: recordings whose label has the highest, or one of the five highest scores. mean_class_accuracy: recall
    averaged over the classes that the labels show. mean_ap: one-vs-rest average precision, averaged over the same
    classes. confusion: int64 (classes, classes), row = label, column = prediction. unknown: recordings whose label is
    none of the scored classes; they count as errors everywhere and stand in no row of `confusion`.
    """

    top1: float
    top5: float
    mean_class_accuracy: float
    mean_ap: float
    confusion: npt.NDArray[np.int64]
    n: int
    unknown: int

    def __post_init__(self) -> None:
        if self.confusion.sum() + self.unknown != self.n:
            raise ValueError(f"{self.confusion.sum()} counted and {self.unknown} unknown are not {self.n} recordings")


def score(
    scores: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: npt.NDArray[np.integer]
) -> Metrics:
    """Compare scores (N, classes) with labels (N,); column j scores the label `classes[j]`, ascending.

    Equal scores rank by column. ValueError where shapes disagree, N is 0, a score is not finite or classes are not
    ascending.
    """
    _check(scores, labels, classes)
    column = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    known = classes[column] == labels
    ranked = np.argsort(-scores, axis=1, kind="stable")
    hit = (ranked == column[:, None]) & known[:, None]
    top1, top5 = hit[:, 0], hit[:, :5].any(axis=1)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (column[known], ranked[known, 0]), 1)
    shown = np.unique(labels)
    return Metrics(
        top1=float(top1.mean()),
        top5=float(top5.mean()),
        mean_class_accuracy=float(np.mean([top1[labels == label].mean() for label in shown])),
        mean_ap=float(np.mean([_average_precision(scores, labels, classes, label) for label in shown])),
        confusion=confusion,
        n=len(labels),
        unknown=int((~known).sum()),
    )


def average_by_recording(
    scores: npt.NDArray[np.floating], recording_ids: Sequence[str] | npt.NDArray[np.str_]
) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Mean of the rows (R, classes) of each recording: its ids in the order of first appearance, and (N, classes)."""
    ids = [str(recording) for recording in recording_ids]
    if len(ids) != len(scores):
        raise ValueError(f"{len(scores)} rows of scores, {len(ids)} recording ids")
    position = {recording: index for index, recording in enumerate(dict.fromkeys(ids))}
    rows = np.array([position[recording] for recording in ids], dtype=np.int64)
    sums = np.zeros((len(position), scores.shape[1]))
    np.add.at(sums, rows, scores)
    return list(position), sums / np.bincount(rows, minlength=len(position))[:, None]


def _average_precision(
    scores: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: npt.NDArray[np.integer], label: int
) -> float:
    """Precision at each score, weighted by the recall that it adds; 0 where no column scores the label."""
    columns = np.flatnonzero(classes == label)
    if not len(columns):
        return 0.0
    order = np.argsort(-scores[:, columns[0]], kind="stable")
    ranked, right = scores[order, columns[0]], labels[order] == label
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each run of equal scores
    found = np.cumsum(right)[last]
    added = np.diff(found, prepend=0) / found[-1]
    return float(np.sum(added * found / (last + 1)))


def _check(scores: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: npt.NDArray[np.integer]) -> None:
    if len(labels) == 0 or scores.shape != (len(labels), len(classes)):
        raise ValueError(f"scores {scores.shape} are not {len(labels)} > 0 recordings x {len(classes)} classes")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    if (np.diff(classes) <= 0).any():
        raise ValueError("classes must ascend")
