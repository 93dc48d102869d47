import numpy as np
import pytest
from motionpipe.pipeline.logistic import choose_strength, fit_logistic
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 90) * 2 + 1
X = RNG.normal(0, 1, (90, 5)) * [1, 10, 0.1, 1, 1] + np.outer(LABELS, [0.5, 0, 0.1, 0, 0])


@pytest.mark.parametrize("strength", [0.01, 1.0, 10.0])
def test_probabilities_are_those_of_scikit_learn(strength):
    probe = fit_logistic(X, LABELS, strength)
    scaler = StandardScaler().fit(X)
    peer = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(scaler.transform(X), LABELS)
    assert probe.classes.tolist() == [1, 3, 5]
    np.testing.assert_allclose(probe.scores(X), peer.predict_proba(scaler.transform(X)), atol=2e-4)


def test_a_feature_that_never_changes_does_no_harm():
    constant = np.concatenate([X, np.full((90, 1), 7.0)], axis=1)
    np.testing.assert_allclose(
        fit_logistic(constant, LABELS, 1.0).scores(constant), fit_logistic(X, LABELS, 1.0).scores(X), atol=1e-4
    )


def test_the_strength_is_chosen_by_groups_that_are_left_out():
    ids = [f"r{i}" for i in range(90)]
    groups = [f"g{i % 6}" for i in range(90)]
    assert choose_strength(X, LABELS, ids, groups, (0.01, 0.1, 1.0)) in (0.01, 0.1, 1.0)
    assert choose_strength(X, LABELS, ids, ["g0"] * 90, (0.01, 0.1, 1.0)) == 0.1
    # a feature that tells the group, and through it the label, on the training side alone
    number = np.array([int(group[1:]) for group in groups])
    spoiled = np.eye(6)[number] * 10
    labels = np.where(number % 2 == 0, 1, 3)
    assert choose_strength(spoiled, labels, ids, groups, (1.0, 100.0)) == 1.0
