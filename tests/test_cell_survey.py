import numpy as np
import pytest
from motionpipe.pipeline.cell_survey import (
    DEPTH_ALONE,
    IN_PLANE,
    STATIC,
    classify_motion,
    clip_range,
    moving_rms,
    no_cells,
    survey_cells,
    survey_report,
)
from motionpipe.schemas.flow import FlowCells


def cells(vectors, valid=None):
    """One pair, one row of cells."""
    flow = np.asarray(vectors, np.float16).T[None, :, None]
    valid = np.full(flow.shape[-1], 16) if valid is None else np.asarray(valid)
    return FlowCells("k", flow, valid.astype(np.uint8)[None, None], 1, 4)


def random_vectors(count=5000, seed=0):
    return np.random.default_rng(seed).standard_t(3, (count, 3)) * [0.01, 0.004, 0.008]


def test_classes_by_hand():
    vectors = np.array([[0, 0.004, 0], [0, 0.004, 0.004], [0.003, 0, -0.4], [-0.006, 0, 0], [0.0, -0.006, 0.1]])
    assert classify_motion(vectors, 0.005).tolist() == [STATIC, DEPTH_ALONE, DEPTH_ALONE, IN_PLANE, IN_PLANE]
    assert classify_motion(vectors[:, :2], 0.005).tolist() == [STATIC] * 3 + [IN_PLANE] * 2


@pytest.mark.parametrize("classes", [[STATIC], [IN_PLANE], [DEPTH_ALONE, IN_PLANE], [0, 1, 2]])
def test_figures_are_those_of_the_cells(classes):
    vectors = random_vectors().astype(np.float16)
    survey = survey_cells(cells(vectors), 0.005)
    chosen = np.abs(vectors[np.isin(classify_motion(vectors, 0.005), classes)].astype(np.float64))
    np.testing.assert_allclose(survey.rms(classes), np.sqrt(np.square(chosen).mean(axis=0)), rtol=1e-12)
    for share in (0.5, 0.95, 0.99):
        expected = np.quantile(chosen, share, axis=0, method="inverted_cdf")
        np.testing.assert_array_equal(survey.quantile(classes, share), expected)


def test_surveys_of_parts_add_up_to_that_of_the_whole():
    vectors = random_vectors()
    parts = [survey_cells(cells(part), 0.005) for part in np.array_split(vectors, 3)]
    total, whole = no_cells(3) + parts[2] + parts[0] + parts[1], survey_cells(cells(vectors), 0.005)
    np.testing.assert_array_equal(total.magnitudes, whole.magnitudes)
    assert total.cells == whole.cells == 5000


def test_invalid_cells_are_counted_and_take_no_part():
    survey = survey_cells(cells([[9, 9, 9], [0.1, 0, 0]], [7, 8]), 0.005)
    assert survey.cells == 2
    assert survey.counts.tolist() == [0, 0, 1]


def test_the_clip_is_a_percentile_of_the_moving_cells_and_the_unit_their_rms():
    moving = np.stack([np.linspace(0.01, 0.2, 1000), np.full(1000, -0.1), np.zeros(1000)], axis=1)
    survey = survey_cells(cells(np.concatenate([moving, np.zeros((5000, 3))])), 0.005)
    np.testing.assert_allclose(clip_range(survey, 3, 90), [0.181, 0.1, 1e-4], rtol=2e-3)
    np.testing.assert_allclose(moving_rms(survey, 3), [0.1186, 0.1, 1e-6], rtol=2e-3)
    assert clip_range(survey, 2, 90).shape == (2,)


def test_noise_in_depth_is_told_from_motion():
    """Half of the cells stand still with δz noise of 20 mm; the other half move 50 mm to the right."""
    rng = np.random.default_rng(0)
    vectors = np.stack([np.repeat([0, 0.05], 2000), np.zeros(4000), rng.normal(0, 0.02, 4000)], axis=1)
    report = survey_report(survey_cells(cells(vectors), 0.005), 0.005)
    x, _, z = report["axes"]
    assert report["shares"]["in_plane"] == 0.5
    assert report["shares"]["depth_alone"] > 0.35  # all of it error
    assert z["noise"] == pytest.approx(0.02, rel=0.05)
    assert z["signal_to_noise"] == pytest.approx(1, abs=0.1)
    assert x["signal_to_noise"] is None  # those that stand still have no δx at all
    assert x["in_plane"]["rms"] == pytest.approx(0.05, rel=1e-3)


def test_flow_of_two_components_has_no_motion_in_depth_alone():
    report = survey_report(survey_cells(cells([[0.1, 0], [3, 4]]), 0.25), 0.25)
    assert [axis["axis"] for axis in report["axes"]] == ["x", "y"]
    assert report["shares"] == {"static": 0.5, "depth_alone": 0, "in_plane": 0.5}
