import numpy as np
import pytest
from motionpipe.pipeline.metrics import average_by_recording, score

CLASSES = np.array([2, 5, 9])


def test_figures_of_four_recordings_by_hand():
    scores = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3]])
    metrics = score(scores, np.array([2, 5, 5, 9]), CLASSES)
    assert metrics.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert (metrics.top1, metrics.top5, metrics.n, metrics.unknown) == (0.5, 1.0, 4, 0)
    assert metrics.mean_class_accuracy == pytest.approx((1 + 0.5 + 0) / 3)
    # class 2: its recording ranks first: 1. Class 5 ranks .8 (hit), .5, .3 (hit), .2: (1 + 2/3) / 2. Class 9: first: 1.
    assert metrics.mean_ap == pytest.approx((1 + 5 / 6 + 1) / 3)


def test_class_without_recordings_is_left_out_of_the_averages():
    metrics = score(np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]]), np.array([2, 2]), CLASSES)
    assert metrics.mean_class_accuracy == metrics.mean_ap == 1.0
    assert metrics.confusion.shape == (3, 3)


def test_label_that_was_never_trained_counts_as_an_error():
    metrics = score(np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]]), np.array([2, 77]), CLASSES)
    assert (metrics.top1, metrics.top5, metrics.mean_class_accuracy) == (0.5, 0.5, 0.5)
    assert (metrics.unknown, metrics.confusion.sum()) == (1, 1)
    assert metrics.mean_ap == pytest.approx(0.25)  # class 2 ties with the stranger: 1/2; the stranger itself: 0


def test_top5_counts_the_five_highest_of_many():
    scores = np.tile(np.arange(8, 0, -1.0), (8, 1))
    metrics = score(scores, np.arange(8), np.arange(8))
    assert (metrics.top1, metrics.top5) == (1 / 8, 5 / 8)


def test_equal_scores_rank_by_column():
    metrics = score(np.zeros((8, 8)), np.arange(8), np.arange(8))
    assert (metrics.top1, metrics.top5) == (1 / 8, 5 / 8)


@pytest.mark.parametrize(
    ("scores", "labels", "classes"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), CLASSES),
        (np.zeros((2, 2)), np.zeros(2, int), CLASSES),
        (np.full((1, 3), np.nan), np.array([2]), CLASSES),
        (np.zeros((1, 3)), np.array([2]), CLASSES[::-1]),
    ],
)
def test_scores_that_make_no_sense_are_refused(scores, labels, classes):
    with pytest.raises(ValueError, match=r"scores|classes"):
        score(scores, labels, classes)


def test_rows_are_averaged_by_recording_in_the_order_of_first_appearance():
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 4.0], [3.0, 0.0]])
    ids, mean = average_by_recording(scores, ["b", "a", "b", "a", "c"])
    assert ids == ["b", "a", "c"]
    np.testing.assert_array_equal(mean, [[0.75, 0.25], [0.0, 2.5], [3.0, 0.0]])


def test_rows_and_ids_must_match():
    with pytest.raises(ValueError, match="recording ids"):
        average_by_recording(np.zeros((2, 2)), ["a"])
