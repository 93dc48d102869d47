import dataclasses

import numpy as np
import pytest
from motionpipe.pipeline import probes
from motionpipe.pipeline.metrics import average_by_recording, score
from motionpipe.pipeline.probes import ProbeData, fit_probe, probe_scores
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recipe import ClassifySection

CONFIG = ClassifySection()
KINDS = ["linear", "knn", "svm"]


def separable(seed=0, classes=3, groups=4, rows=2, dim=8, scale=1.0):
    """A recording for each class and group, `rows` rows each; classes 10, 11, … lie 6 standard deviations apart."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.tile(np.arange(classes), groups), rows)
    subject = np.repeat(np.repeat(np.arange(groups), classes), rows)
    x = rng.normal(size=(len(labels), dim)) + 6 * np.eye(dim)[labels]
    ids = np.array([f"s{s}a{a}" for s, a in zip(subject, labels, strict=True)])
    return ProbeData((scale * x + 50).astype(np.float32), labels + 10, ids, subject.astype(str))


def weak_trend(subjects=40, rows=4):
    """Every recording is a tight cluster far from the others; the label is only a weak trend across subjects."""
    rng = np.random.default_rng(3)
    labels = np.tile([0, 1], subjects // 2)
    centre = rng.normal(size=(subjects, 10)) + 0.5 * labels[:, None]
    x = np.repeat(centre, rows, axis=0) + rng.normal(size=(subjects * rows, 10)) * 1e-3
    ids = np.repeat(np.arange(subjects), rows).astype(str)
    return ProbeData(x.astype(np.float32), np.repeat(labels, rows), ids, ids)


@pytest.mark.parametrize("kind", KINDS)
def test_probe_separates_what_is_separable(kind):
    probe, choice = fit_probe(kind, separable(seed=0), CONFIG)
    test = separable(seed=1)
    ids, scores = average_by_recording(probe_scores(probe, test.x), test.recording_ids)
    labels = np.array([10 + int(recording[-1]) for recording in ids])
    assert probe.classes.tolist() == [10, 11, 12]
    assert score(scores, labels, probe.classes).top1 == 1
    assert choice.folds == 3
    assert choice.value in choice.accuracy
    assert choice.note == ""
    np.testing.assert_allclose(scores.sum(axis=1), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_two_classes_have_two_columns(kind):
    train = separable(classes=2)
    probe, _ = fit_probe(kind, train, CONFIG)
    scores = probe_scores(probe, train.x)
    assert scores.shape == (16, 2)
    assert (probe.classes[scores.argmax(axis=1)] == train.labels).all()


@pytest.mark.parametrize("kind", KINDS)
def test_unit_and_offset_of_the_features_do_not_matter(kind):
    train = separable()
    other = dataclasses.replace(train, x=train.x * 1000 - 3)
    a, b = (probe_scores(fit_probe(kind, data, CONFIG)[0], data.x) for data in (train, other))
    np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_twice_gives_the_same_scores(kind):
    train = separable(scale=0.1)
    a, b = (probe_scores(fit_probe(kind, train, CONFIG)[0], train.x) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_a_group_is_never_split():
    train = weak_trend()
    folds = probes._folds(train, CONFIG)
    assert len(folds) == 3
    for fit, held in folds:
        assert not set(train.groups[fit]) & set(train.groups[held])
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(len(train.x)))


def test_grouped_folds_choose_many_neighbours_where_leaking_folds_would_choose_one():
    train = weak_trend()
    rows = np.arange(len(train.x)).astype(str)
    leaking = ProbeData(train.x, train.labels, rows, rows)
    _, honest = fit_probe("knn", train, CONFIG)
    _, leaked = fit_probe("knn", leaking, CONFIG)
    assert (leaked.value, leaked.accuracy[1.0]) == (1, 1.0)
    assert honest.value > 1
    assert honest.accuracy[1.0] < 0.9


@pytest.mark.parametrize(("kind", "middle"), [("linear", 1.0), ("knn", 9.0)])
def test_one_group_takes_the_middle_of_the_grid_and_says_so(kind, middle):
    probe, choice = fit_probe(kind, separable(groups=1, rows=3), CONFIG)
    assert (choice.value, choice.folds, choice.accuracy) == (middle, 0, {})
    assert "too few groups" in choice.note
    assert len(probe.classes) == 3


def test_groups_of_one_class_each_leave_no_fold_to_fit():
    data = separable(classes=2, groups=1, rows=4)
    data = dataclasses.replace(data, groups=data.labels.astype(str))
    _, choice = fit_probe("linear", data, CONFIG)
    assert choice.folds == 0


def test_more_neighbours_than_rows_means_all_rows():
    train = separable(classes=2, groups=2, rows=1)
    probe, _ = fit_probe("knn", train, ClassifySection(k_grid=(50,)))
    np.testing.assert_allclose(probe_scores(probe, train.x), 0.5)


def test_a_constant_feature_is_harmless():
    train = separable()
    train = dataclasses.replace(train, x=np.concatenate((train.x, np.ones_like(train.x[:, :1])), axis=1))
    probe, _ = fit_probe("linear", train, CONFIG)
    assert np.isfinite(probe_scores(probe, train.x)).all()


def test_a_single_class_is_an_error_of_one_line():
    train = separable()
    train = dataclasses.replace(train, labels=np.zeros_like(train.labels))
    with pytest.raises(MotionpipeError, match="at least two classes"):
        fit_probe("linear", train, CONFIG)


def test_a_recording_with_two_groups_is_refused():
    with pytest.raises(ValueError, match="one group"):
        ProbeData(np.zeros((2, 1), np.float32), np.zeros(2, int), np.array(["a", "a"]), np.array(["g", "h"]))
