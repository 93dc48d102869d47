import io

import numpy as np
import pytest
from motionpipe.pipeline.cell_survey import no_cells, survey_cells
from motionpipe.pipeline.codebook_file import codebook_bytes, codebook_from_bytes, distortion, usage
from motionpipe.pipeline.fit_codebook import (
    Draw,
    balanced_sample,
    codebook_size,
    components_of,
    draw_cells,
    fit_kmeans,
    neighbour_scale,
    sample_blocks,
    soft_start,
    static_threshold,
    training_vectors,
    uniform_centres,
)
from motionpipe.schemas.codebook import Codebook, SoftStart
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.flow import FlowCells
from motionpipe.schemas.recipe import CodebookSection

TRUE_CENTRES = np.array([[0, 0, 0], [0.1, 0, 0], [-0.1, 0, 0], [0, 0.1, 0.05], [0, -0.1, 0.1]], dtype=np.float32)


def clusters(per_cluster=200, noise=0.002, seed=0):
    rng = np.random.default_rng(seed)
    points = TRUE_CENTRES.repeat(per_cluster, axis=0)
    return rng.permutation(points + rng.normal(0, noise, points.shape)).astype(np.float32)


def flow_cells(key, seed, moving_share=0.5, pairs=10):
    """Cells of which a share moves 0.05 m; valid everywhere but in the first row."""
    rng = np.random.default_rng(seed)
    flow = rng.normal(0, 0.0005, (pairs, 3, 6, 8))
    flow[:, 0] += 0.05 * (rng.random((pairs, 6, 8)) < moving_share)
    valid = np.full((pairs, 6, 8), 16, dtype=np.uint8)
    valid[:, 0] = 7
    return FlowCells(key, flow.astype(np.float16), valid, 1, 4)


def fit(vectors, **settings):
    return fit_kmeans(sample_blocks(vectors), vectors.shape[1], CodebookSection(**settings))


def sample_of(cells, **settings):
    """The balanced sample of some recordings, drawn one by one as the stage does it."""
    config = CodebookSection(**settings)
    survey = sum((survey_cells(c, static_threshold(3, config)) for c in cells), no_cells(3))
    return balanced_sample({c.key: draw_cells(c, len(cells), config) for c in cells}, survey, config), survey


def test_well_separated_clusters_are_recovered():
    centres = fit(clusters(), size=5).centres
    assert not centres[0].any()
    distance = np.linalg.norm(centres[:, None] - TRUE_CENTRES[None], axis=2)
    assert sorted(distance.argmin(axis=1)) == [0, 1, 2, 3, 4]
    assert distance.min(axis=1).max() < 0.001


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_zero_codeword_stays_where_nothing_is_static(symmetric):
    centres = fit(clusters() + np.float32([0.03, 0.03, 0.03]), size=6, symmetric=symmetric).centres
    assert not centres[0].any()
    assert len(np.unique(centres, axis=0)) == 6


def test_codewords_after_the_first_are_sorted():
    centres = fit(clusters(), size=12).centres[1:]
    assert centres.tolist() == sorted(centres.tolist())


def test_inertia_falls():
    noisy = np.random.default_rng(0).normal(0, 0.1, (2000, 3)).astype(np.float32)
    inertia = fit(noisy, size=16, iterations=12).inertia
    assert len(inertia) == 13  # before each iteration and at the end
    assert (np.diff(inertia) <= 1e-6 * inertia[0]).all()
    assert inertia[-1] < 0.98 * inertia[0]


def test_iterations_end_when_nothing_moves():
    assert len(fit(clusters(), size=5, iterations=1000).inertia) < 50


def test_too_few_distinct_vectors_are_one_clear_error():
    few = TRUE_CENTRES.repeat(100, axis=0)
    with pytest.raises(MotionpipeError, match=r"5 distinct flow vectors cannot make 6 codewords; lower codebook\.size"):
        fit(few, size=6)
    assert len(fit(few, size=5).centres) == 5


def test_a_symmetric_fit_costs_little_on_symmetric_data():
    vectors = clusters(noise=0.03)
    vectors = np.concatenate([vectors, vectors * np.float32([-1, 1, 1])])
    plain, symmetric = (fit(vectors, size=16, symmetric=s).centres for s in (False, True))
    plain_cost, cost = (
        np.square(np.linalg.norm(vectors[:, None] - c[None], axis=2).min(axis=1)).sum() for c in (plain, symmetric)
    )
    assert cost < 1.05 * plain_cost


@pytest.mark.parametrize("most", [100, 400, 10_000])
def test_the_sample_does_not_depend_on_the_order_of_the_recordings(most):
    cells = [flow_cells(f"k{i}", i) for i in range(6)]
    one, two = (sample_of(order, sample_cells=most)[0] for order in (cells, cells[::-1]))
    np.testing.assert_array_equal(one.moving, two.moving)
    np.testing.assert_array_equal(one.static, two.static)


def test_the_sample_has_the_asked_size():
    sample, survey = sample_of([flow_cells(f"k{i}", i) for i in range(6)], sample_cells=500)
    assert len(sample.moving) + len(sample.static) == 500
    assert survey.counts.sum() == 6 * 10 * 5 * 8  # without the invalid row


def test_invalid_cells_are_left_out():
    cells = flow_cells("k", 0)
    flow = cells.flow.copy()
    flow[:, :, 0] = 9
    sample, _ = sample_of([FlowCells("k", flow, cells.valid, 1, 4)])
    assert sample.moving.max() < 1
    assert training_vectors([FlowCells("k", flow, cells.valid, 1, 4)], 3, np.full(3, 99, np.float32)).max() < 1


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("moving_share", [0.1, 0.5])
def test_static_cells_are_at_most_the_given_share(fraction, moving_share):
    cells = [flow_cells(f"k{i}", i, moving_share) for i in range(4)]
    sample, _ = sample_of(cells, sample_cells=600, static_fraction=fraction)
    assert len(sample.static) <= fraction * (len(sample.static) + len(sample.moving)) + 1e-9
    assert (np.linalg.norm(sample.static, axis=1) < 0.005).all()
    assert (np.linalg.norm(sample.moving, axis=1) >= 0.005).all()


def test_one_recording_cannot_fill_the_sample():
    cells = [flow_cells("long", 0, pairs=200), *(flow_cells(f"k{i}", i) for i in range(1, 5))]
    cells[0] = FlowCells("long", (cells[0].flow * 2).astype(np.float16), cells[0].valid, 1, 4)
    sample, _ = sample_of(cells, sample_cells=500, static_fraction=0.0)
    assert (sample.moving[:, 0] > 0.08).sum() <= 100


def test_recordings_in_which_nothing_moves():
    with pytest.raises(MotionpipeError, match="nothing moves in the 400 training cells"):
        sample_of([flow_cells("k", 0, moving_share=0.0)])


def test_no_valid_cell_is_one_clear_error():
    cells = flow_cells("k", 0)
    with pytest.raises(MotionpipeError, match="no valid flow cell"):
        sample_of([FlowCells("k", cells.flow, cells.valid * 0, 1, 4)])
    with pytest.raises(MotionpipeError, match="no valid flow cell"):
        sample_of([])


def test_motion_in_depth_alone_is_static_for_a_planar_codebook():
    flow = np.zeros((1, 3, 1, 2))
    flow[0, :, 0, 0], flow[0, :, 0, 1] = (0, 0, 0.1), (0.1, 0, 0.1)
    cells = FlowCells("k", flow.astype(np.float16), np.full((1, 1, 2), 16, np.uint8), 1, 4)
    planar = draw_cells(cells, 1, CodebookSection(components="xy"))
    assert (planar.moving.shape, planar.static.shape) == ((1, 2), (1, 2))
    assert len(draw_cells(cells, 1, CodebookSection()).moving) == 2


def test_a_uniform_grid_has_zero_first_and_the_rest_in_mixed_radix():
    centres = uniform_centres(np.float32([0.1, 0.2]), 3)
    expected = [[0, 0], [-0.1, -0.2], [-0.1, 0], [-0.1, 0.2], [0, -0.2], [0, 0.2], [0.1, -0.2], [0.1, 0], [0.1, 0.2]]
    np.testing.assert_allclose(centres, expected, atol=1e-8)
    assert uniform_centres(np.float32([1, 1, 1]), 5).shape == (125, 3)


def test_sizes_of_each_kind():
    assert codebook_size(3, CodebookSection(kind="uniform", bins=5)) == 125
    assert codebook_size(2, CodebookSection(kind="learnable", start="uniform", bins=7)) == 49
    assert codebook_size(3, CodebookSection(kind="learnable", size=12)) == 12
    assert (components_of(3, CodebookSection(components="xy")), components_of(2, CodebookSection())) == (2, 2)


def test_the_unit_of_k_means_distances_is_half_the_distance_of_neighbours():
    assert neighbour_scale(np.float32([[0, 0], [0, 1], [3, 0], [3, 3]])) == pytest.approx([1.0, 1.0])


def test_the_soft_start_weighs_static_cells_as_all_cells_do():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([np.zeros((9000, 3)), np.full((1000, 3), 0.1) + rng.normal(0, 0.01, (1000, 3))])
    flow = FlowCells("k", vectors.T[None, :, None].astype(np.float16), np.full((1, 1, 10_000), 16, np.uint8), 1, 4)
    survey = survey_cells(flow, 0.005)
    centres = np.float32([[0, 0, 0], [0.1, 0.1, 0.1]])
    clip, scale = np.ones(3, np.float32), np.full(3, 0.1, np.float32)
    moving = vectors[9000:].astype(np.float32)
    balanced = Draw(moving, np.zeros((1000, 3), np.float32))
    start = soft_start(balanced, survey, centres, clip, scale)
    expected = np.median(np.square((moving - 0.1) / 0.1).sum(axis=1))
    assert start.spread == pytest.approx(expected, rel=1e-3)
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert start.usage == pytest.approx(np.log(2) - entropy, abs=0.01)  # not that of 1000 to 1000


def test_thresholds_are_in_the_unit_of_the_flow():
    config = CodebookSection(static_below_m=0.01, static_below_px=0.5)
    assert (static_threshold(3, config), static_threshold(2, config)) == (0.01, 0.5)


def test_usage_by_hand():
    book = Codebook(TRUE_CENTRES[:4], np.array([4, 2, 2, 0]), np.ones(3, np.float32))
    assert usage(book) == {
        "cells": 8,
        "entropy_bits": 1.5,
        "perplexity": 2.828427,
        "dead_codes": [3],
        "zero_code_share": 0.5,
        "unmirrored": 0,
    }


def test_distortion_by_hand():
    book = Codebook(TRUE_CENTRES, np.ones(5, np.int64), np.ones(3, np.float32))
    vectors = np.float32([[0.01, 0, 0], [0.1, 0.02, 0.03]])
    np.testing.assert_allclose(distortion(book, vectors, np.array([0, 1])), [1e-4, 4e-4, 9e-4], rtol=1e-5)


def test_a_codebook_file_is_reproducible_and_read_back():
    start = SoftStart(0.5, 0.25, 1.5)
    scale = np.float32([0.1, 0.2, 0.3])
    book = Codebook(TRUE_CENTRES, np.arange(5), np.full(3, 0.15, np.float32), scale, "learnable", False, start)
    data = codebook_bytes(book)
    assert data == codebook_bytes(book)
    read = codebook_from_bytes(data)
    assert (read.kind, read.planar, read.soft_start) == ("learnable", False, start)
    for name in ("centres", "counts", "clip", "scale"):
        np.testing.assert_array_equal(getattr(read, name), getattr(book, name))
        assert getattr(read, name).dtype == getattr(book, name).dtype


def test_a_file_that_is_no_codebook_of_this_version_is_one_clear_error():
    buffer = io.BytesIO()
    np.savez(buffer, centres=TRUE_CENTRES, counts=np.arange(5), clip=np.ones(3, np.float32))
    with pytest.raises(MotionpipeError, match="holds no scale, kind, planar, soft_start; make it again"):
        codebook_from_bytes(buffer.getvalue())
