import numpy as np
import pytest
from motionpipe.pipeline.registration import apply, fit_joints, jacobian, project_joints, scale_at, tracked_joints

AFFINE = np.array([[2.88, -0.02, 240.0], [0.01, 2.88, -36.0], [0, 0, 1]])
HOMOGRAPHY = np.array([[2.88, -0.02, 240.0], [0.01, 2.88, -36.0], [3e-5, -2e-5, 1]])
PARALLAX = np.array([55.0, -3.0])
RNG = np.random.default_rng(0)


def joints(matrix, parallax=(0.0, 0.0), count=500, wrong=0, noise=0.0):
    """Rows (N, 8) of exact joints, the first `wrong` of which lie anywhere in the colour image."""
    rng = np.random.default_rng(1)
    rows = np.zeros((count, 8))
    rows[:, 3:5] = rng.uniform((50, 50), (460, 380), (count, 2))
    rows[:, 2], rows[:, 7] = rng.uniform(1.5, 4.5, count), 2
    rows[:, 5:7] = project_joints(rows, matrix, np.array(parallax)) + noise * rng.standard_normal((count, 2))
    rows[:wrong, 5:7] = rng.uniform((0, 0), (1920, 1080), (wrong, 2))
    return rows


@pytest.mark.parametrize("wrong", [0, 150])
@pytest.mark.parametrize(
    ("model", "matrix", "parallax"),
    [("affine", AFFINE, (0, 0)), ("homography", HOMOGRAPHY, (0, 0)), ("affine+depth", AFFINE, PARALLAX)],
)
def test_exact_joints_give_the_exact_map_whatever_the_wrong_ones_say(model, matrix, parallax, wrong):
    rows = joints(matrix, parallax, wrong=wrong)
    fit = fit_joints(rows, model)
    assert fit.model == model
    np.testing.assert_allclose(fit.matrix, matrix, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fit.parallax, parallax, atol=1e-4)
    assert fit.inliers.sum() == 500 - wrong
    assert fit.errors[fit.inliers].max() < 1e-3


def test_noise_averages_out():
    fit = fit_joints(joints(AFFINE, noise=1.0, wrong=100), "affine")
    places = joints(AFFINE)[:, 3:5]
    assert np.linalg.norm(apply(fit.matrix, places) - apply(AFFINE, places), axis=1).max() < 0.5
    assert fit.errors[fit.inliers].mean() == pytest.approx(np.sqrt(np.pi / 2), rel=0.1)


def test_an_affine_fit_keeps_people_at_every_distance():
    rows = joints(AFFINE, PARALLAX)
    fit = fit_joints(rows, "affine")
    assert fit.inliers.mean() > 0.9
    assert fit.errors.mean() < 7
    assert fit_joints(rows, "affine+depth").errors.max() < 1e-3


def test_the_same_joints_give_the_same_bits():
    rows = joints(HOMOGRAPHY, wrong=200, noise=0.5)
    for model in ("affine", "homography", "affine+depth"):
        one, two = fit_joints(rows, model), fit_joints(rows.copy(), model)
        np.testing.assert_array_equal(one.matrix, two.matrix)
        np.testing.assert_array_equal(one.inliers, two.inliers)


def test_one_distance_determines_no_parallax():
    rows = joints(AFFINE)
    rows[:, 2] = 3.0
    fit = fit_joints(rows, "affine+depth")
    assert fit.model == "affine"
    np.testing.assert_allclose(fit.matrix, AFFINE, atol=1e-6)


def test_joints_that_determine_nothing():
    assert fit_joints(joints(AFFINE, count=7), "affine") is None
    assert fit_joints(np.zeros((0, 8)), "affine") is None
    one_place = np.repeat(joints(AFFINE, count=1), 50, axis=0)
    fit = fit_joints(one_place, "affine")
    assert fit is None or np.isfinite(fit.errors).all()


def test_only_tracked_and_finite_joints_count():
    joints_TBJC = np.ones((2, 1, 25, 8), dtype=np.float32)
    joints_TBJC[..., 7] = 2
    joints_TBJC[0, 0, :5, 7] = 1
    joints_TBJC[0, 0, 5, 3] = np.nan
    joints_TBJC[1, 0, 0, 2] = 0
    assert tracked_joints(joints_TBJC).shape == (43, 8)


def test_the_jacobian_is_the_derivative():
    point, step = np.array([100.0, 200.0]), 1e-4
    numeric = [(apply(HOMOGRAPHY, point + step * e) - apply(HOMOGRAPHY, point)) / step for e in np.eye(2)]
    np.testing.assert_allclose(jacobian(HOMOGRAPHY, point), np.array(numeric).T, atol=1e-4)
    assert scale_at(AFFINE, point) == pytest.approx(np.sqrt(2.88**2 + 0.0002))
