"""Probes: simple classifiers that say what a fixed embedding knows.

Shapes: R rows (clips) of D features; a recording has one or more rows, a group (subject, source film) one or more
recordings.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import ClassifySection
from .metrics import average_by_recording

Kind = Literal["linear", "knn", "svm"]
Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

MAX_PAIR_ITERATIONS = 100_000  # of the SVM for a pair of classes: it may never converge on noise


@dataclass(frozen=True)
class ProbeData:
    """Embeddings x float32 (R, D), and of each row the integer label, the recording and its group, each (R,)."""

    x: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    recording_ids: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or not np.isfinite(self.x).all():
            raise ValueError(f"x must be finite (R, D), got shape {self.x.shape}")
        if not len(self.x) == len(self.labels) == len(self.recording_ids) == len(self.groups):
            raise ValueError("x, labels, recording_ids and groups must have the same length")
        facts = set(zip(self.recording_ids.tolist(), self.labels.tolist(), self.groups.tolist(), strict=True))
        if len(facts) != len(np.unique(self.recording_ids)):
            raise ValueError("a recording must have one label and one group")

    def rows(self, index: Rows) -> ProbeData:
        """The chosen rows."""
        return ProbeData(self.x[index], self.labels[index], self.recording_ids[index], self.groups[index])


@dataclass(frozen=True)
class Probe:
    """A fitted classifier; its scores have one column for each of `classes`, ascending."""

    kind: Kind
    classes: npt.NDArray[np.int64]
    scaler: Any
    classifier: Any


@dataclass(frozen=True)
class Choice:
    """How the probe's one hyper-parameter was set.

    value: the C or the k. folds: cross-validation folds that could be scored; 0 = none, `value` is the middle of the
    grid. accuracy: of each grid value tried, top-1 of held-out recordings. note: why there was no cross-validation, or
    that a solver stopped at its limit of iterations; else empty.
    """

    parameter: Literal["C", "k"]
    value: float
    folds: int
    accuracy: dict[float, float]
    note: str


def fit_probe(kind: Kind, train: ProbeData, config: ClassifySection, workers: int = 1) -> tuple[Probe, Choice]:
    """Standardise and fit on the training rows, with C or k by grouped cross-validation inside them.

    linear: multinomial logistic regression. svm: linear SVM, one against one. knn: cosine neighbours. A group is never
    on both sides of a fold; the value with the best accuracy over recordings wins, the smaller one on a tie.
    `workers` threads try the values (speed only). MotionpipeError where the training rows show fewer than two classes.
    """
    if len(np.unique(train.labels)) < 2:
        raise MotionpipeError("a probe needs training recordings of at least two classes, this split has fewer")
    grid = sorted(float(value) for value in (config.k_grid if kind == "knn" else config.c_grid))
    folds = _folds(train, config)
    accuracy = {value: _held_out_accuracy(kind, train, folds, value) for value in grid} if folds else {}
    value = max(grid, key=lambda tried: (accuracy[tried], -tried)) if folds else grid[len(grid) // 2]
    probe, converged = _fit(kind, train, value)
    notes = [] if folds else ["too few groups for cross-validation: middle of the grid"]
    notes += [] if converged else ["the solver stopped at its limit of iterations"]
    return probe, Choice("k" if kind == "knn" else "C", value, len(folds), accuracy, "; ".join(notes))


def probe_scores(model: Probe, x: npt.NDArray[np.float32]) -> Scores:
    """Scores (R, classes) of rows x (R, D); each row sums to 1.

    linear: probabilities. knn: shares of the votes. svm: softmax of the votes of all pairs of classes (margins
    break ties), comparable but not calibrated.
    """
    scaled = _scaled(model.kind, model.scaler, x)
    if model.kind != "svm":
        return np.asarray(model.classifier.predict_proba(scaled), dtype=np.float64)
    margins = np.asarray(model.classifier.decision_function(scaled), dtype=np.float64)
    if margins.ndim == 1:  # two classes: one margin
        margins = np.stack([-margins, margins], axis=1)
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _folds(train: ProbeData, config: ClassifySection) -> list[tuple[Rows, Rows]]:
    """(fit, held out) rows of each fold whose fit part shows two classes or more; none with fewer than two groups."""
    largest_class = int(np.unique(train.labels, return_counts=True)[1].max())
    count = min(config.folds, len(np.unique(train.groups)), largest_class)
    if count < 2:
        return []
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=config.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        folds = list(splitter.split(train.x, train.labels, train.groups))
    return [(fit, held) for fit, held in folds if len(held) and len(np.unique(train.labels[fit])) > 1]


def _held_out_accuracy(kind: Kind, train: ProbeData, folds: list[tuple[Rows, Rows]], value: float) -> float:
    """Part of the recordings, over all folds, whose averaged scores are highest for their label."""
    hits: list[bool] = []
    for fit, held in folds:
        probe, _ = _fit(kind, train.rows(fit), value)
        label_of = dict(zip(train.recording_ids[held].tolist(), train.labels[held].tolist(), strict=True))
        ids, scores = average_by_recording(probe_scores(probe, train.x[held]), train.recording_ids[held])
        predicted = probe.classes[scores.argmax(axis=1)]
        hits += [label_of[recording] == label for recording, label in zip(ids, predicted.tolist(), strict=True)]
    return float(np.mean(hits))


def _fit(kind: Kind, train: ProbeData, value: float) -> tuple[Probe, bool]:
    """The probe, and whether its solver converged."""
    scaler = StandardScaler().fit(train.x.astype(np.float64))
    classifier = _classifier(kind, value, len(train.x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(_scaled(kind, scaler, train.x), train.labels)
    return Probe(kind, np.asarray(classifier.classes_, dtype=np.int64), scaler, classifier), _converged(classifier)


def _scaled(kind: Kind, scaler: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Standardised features; for the SVM rows of norm about 1, so that one grid of C serves every D and converges."""
    standard = np.asarray(scaler.transform(x.astype(np.float64)), dtype=np.float64)
    return standard / np.sqrt(x.shape[1]) if kind == "svm" else standard


def _converged(classifier: Any) -> bool:
    if isinstance(classifier, LogisticRegression):
        return bool(classifier.n_iter_.max() < classifier.max_iter)
    return bool(getattr(classifier, "fit_status_", 0) == 0)  # 1: the SVM was stopped; neighbours have no solver


def _classifier(kind: Kind, value: float, rows: int) -> Any:
    if kind == "linear":
        return LogisticRegression(C=value, max_iter=1000)
    if kind == "svm":
        return SVC(C=value, kernel="linear", max_iter=MAX_PAIR_ITERATIONS)
    return KNeighborsClassifier(min(int(value), rows), metric="cosine", algorithm="brute")
