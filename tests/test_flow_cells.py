import numpy as np
import pytest
from motionpipe.pipeline.flow_cells import cell_means, resample_cells

RNG = np.random.default_rng(0)


def test_means_over_valid_pixels_by_hand():
    flow = np.array([[1, 2, 10, 20], [3, 4, 30, 40]], dtype=np.float32)[None, None]
    valid = np.array([[1, 1, 0, 1], [1, 1, 0, 0]], dtype=bool)[None]
    means, counts = cell_means(flow, valid, 2)
    assert means.tolist() == [[[[2.5, 20.0]]]]
    assert counts.tolist() == [[[4, 1]]]
    assert (means.dtype, counts.dtype) == (np.float32, np.uint8)


def test_means_are_those_of_a_plain_loop():
    flow = RNG.normal(size=(2, 3, 13, 18)).astype(np.float32)
    valid = RNG.random((2, 13, 18)) < 0.6
    means, counts = cell_means(flow, valid, 4)
    assert means.shape == (2, 3, 3, 4)  # what does not fill a cell is left out
    for pair in range(2):
        for row in range(3):
            for col in range(4):
                inside = np.s_[pair, row * 4 : row * 4 + 4, col * 4 : col * 4 + 4]
                assert counts[pair, row, col] == valid[inside].sum()
                expected = flow[pair, :, row * 4 : row * 4 + 4, col * 4 : col * 4 + 4][:, valid[inside]].mean(axis=1)
                np.testing.assert_allclose(means[pair, :, row, col], expected, rtol=1e-5)


def test_a_cell_without_a_valid_pixel_is_zero_whatever_lies_there():
    flow = np.full((1, 2, 4, 4), np.nan, dtype=np.float32)
    means, counts = cell_means(flow, np.zeros((1, 4, 4), bool), 2)
    assert not means.any()
    assert not counts.any()


def test_counts_of_the_largest_cell_fit():
    _, counts = cell_means(np.zeros((1, 2, 15, 15), np.float32), np.ones((1, 15, 15), bool), 15)
    assert counts.tolist() == [[[225]]]


def test_pooling_two_to_one_by_hand():
    flow = np.array([[1, 3, 5, 7], [1, 3, 5, 7]], dtype=np.float32)[None, None]
    weight = np.array([[1, 1, 1, 0], [1, 1, 0.5, 0]], dtype=np.float32)[None]
    pooled, pooled_weight = resample_cells(flow, weight, 1, 2)
    np.testing.assert_allclose(pooled, [[[[2.0, 5.0]]]])
    np.testing.assert_allclose(pooled_weight, [[[1.0, 0.375]]])


def test_cells_are_split_by_the_area_that_they_share():
    # three cells become two: the middle one belongs to both by halves
    flow = np.array([0, 3, 9], dtype=np.float32).reshape(1, 1, 1, 3)
    pooled, weight = resample_cells(flow, np.ones((1, 1, 3), np.float32), 1, 2)
    np.testing.assert_allclose(pooled.ravel(), [1.0, 7.0], rtol=1e-6)
    np.testing.assert_allclose(weight.ravel(), [1.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize(("rows", "cols"), [(30, 40), (29, 37), (15, 20), (7, 11), (1, 1)])
def test_the_weighted_mean_is_kept(rows, cols):
    flow = RNG.normal(size=(2, 3, 30, 40)).astype(np.float32)
    weight = RNG.random((2, 30, 40)).astype(np.float32) * (RNG.random((2, 30, 40)) < 0.7)
    pooled, pooled_weight = resample_cells(flow, weight.astype(np.float32), rows, cols)
    np.testing.assert_allclose(pooled_weight.mean(axis=(1, 2)), weight.mean(axis=(1, 2)), rtol=1e-4)
    before = (flow * weight[:, None]).mean(axis=(2, 3))
    np.testing.assert_allclose((pooled * pooled_weight[:, None]).mean(axis=(2, 3)), before, atol=1e-5)


@pytest.mark.parametrize(("rows", "cols"), [(30, 40), (28, 37), (7, 9)])
def test_constant_flow_stays_where_anything_is_valid(rows, cols):
    flow = np.full((1, 2, 30, 40), 0.7, dtype=np.float32)
    weight = (RNG.random((1, 30, 40)) < 0.3).astype(np.float32)
    pooled, pooled_weight = resample_cells(flow, weight, rows, cols)
    known = pooled_weight[0] > 1e-3
    np.testing.assert_allclose(pooled[0, :, known], 0.7, rtol=1e-4)
    assert not pooled[0, :, pooled_weight[0] == 0].any()


def test_flow_of_cells_without_weight_does_not_leak():
    flow = np.ones((1, 2, 4, 4), dtype=np.float32)
    flow[..., 1::2] = 1000
    weight = np.ones((1, 4, 4), dtype=np.float32)
    weight[..., 1::2] = 0
    np.testing.assert_allclose(resample_cells(flow, weight, 2, 2)[0], 1.0)
    assert resample_cells(flow, weight, 4, 4)[0].max() == 1


@pytest.mark.parametrize(("rows", "cols"), [(5, 4), (4, 5), (8, 8)])
def test_splitting_is_refused(rows, cols):
    with pytest.raises(ValueError, match="pooled, not split: 4x4"):
        resample_cells(np.zeros((1, 2, 4, 4), np.float32), np.ones((1, 4, 4), np.float32), rows, cols)
