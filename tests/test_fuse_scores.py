import numpy as np
import pytest
from motionpipe.pipeline.fuse_scores import best_share, fuse_scores

CLASSES = np.array([0, 1], dtype=np.int64)


def test_shares_weigh():
    first, second = np.array([[1.0, 3.0]]), np.array([[5.0, 1.0]])
    np.testing.assert_allclose(fuse_scores(first, second, 0.25), [[2.0, 2.5]])
    with pytest.raises(ValueError, match="cannot be fused"):
        fuse_scores(first, np.zeros((2, 2)), 0.5)


def test_the_share_that_classifies_best_is_found():
    labels = np.array([0, 1, 0, 1])
    right = np.where(labels[:, None] == CLASSES, 1.0, 0.0)
    wrong = 1 - right
    assert best_share(wrong, right, labels, CLASSES) > 0.5
    assert best_share(right, wrong, labels, CLASSES) < 0.5
    assert best_share(right, right, labels, CLASSES) == 0.5
