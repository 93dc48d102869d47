import numpy as np
import pytest
from motionpipe.pipeline.codebook_file import codebook_bytes, codebook_from_bytes
from motionpipe.pipeline.fit_codebook import (
    CellSample,
    clip_range,
    fit_kmeans,
    sample_cells,
    static_threshold,
    usage,
)
from motionpipe.schemas.codebook import Codebook
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


def test_well_separated_clusters_are_recovered():
    fit = fit_kmeans(clusters(), CodebookSection(size=5))
    assert not fit.centres[0].any()
    distance = np.linalg.norm(fit.centres[:, None] - TRUE_CENTRES[None], axis=2)
    assert sorted(distance.argmin(axis=1)) == [0, 1, 2, 3, 4]
    assert distance.min(axis=1).max() < 0.001


def test_the_zero_codeword_stays_where_nothing_is_static():
    vectors = clusters() + np.float32([0.03, 0.03, 0.03])
    fit = fit_kmeans(vectors, CodebookSection(size=6))
    assert not fit.centres[0].any()
    assert np.isfinite(fit.centres).all()


def test_codewords_after_the_first_are_sorted():
    centres = fit_kmeans(clusters(), CodebookSection(size=12)).centres[1:]
    assert centres.tolist() == sorted(centres.tolist())


def test_inertia_falls():
    noisy = np.random.default_rng(0).normal(0, 0.1, (2000, 3)).astype(np.float32)
    inertia = fit_kmeans(noisy, CodebookSection(size=16, iterations=12)).inertia
    assert len(inertia) == 13  # before each iteration and at the end
    assert (np.diff(inertia) <= 1e-6 * inertia[0]).all()
    assert inertia[-1] < 0.98 * inertia[0]


def test_iterations_end_when_nothing_moves():
    assert len(fit_kmeans(clusters(), CodebookSection(size=5, iterations=1000)).inertia) < 50


def test_the_fit_is_a_function_of_vectors_and_seed():
    noisy = np.random.default_rng(0).normal(0, 0.1, (500, 3)).astype(np.float32)
    one, two, other = (fit_kmeans(noisy, CodebookSection(size=8, seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.centres, two.centres)
    assert one.inertia == two.inertia
    assert not np.array_equal(one.centres, other.centres)


def test_too_few_distinct_vectors_are_one_clear_error():
    with pytest.raises(MotionpipeError, match=r"5 distinct flow vectors cannot make 6 codewords; lower codebook\.size"):
        fit_kmeans(TRUE_CENTRES.repeat(100, axis=0), CodebookSection(size=6))
    assert len(fit_kmeans(TRUE_CENTRES.repeat(100, axis=0), CodebookSection(size=5)).centres) == 5


@pytest.mark.parametrize("most", [100, 400, 10_000])
def test_the_sample_does_not_depend_on_the_order_of_the_recordings(most):
    cells = [flow_cells(f"k{i}", i) for i in range(6)]
    config = CodebookSection(sample_cells=most)
    one, two = sample_cells(cells, 6, config), sample_cells(cells[::-1], 6, config)
    np.testing.assert_array_equal(one.vectors, two.vectors)


def test_the_sample_has_the_asked_size_and_counts_what_it_saw():
    cells = [flow_cells(f"k{i}", i) for i in range(6)]
    sample = sample_cells(cells, 6, CodebookSection(sample_cells=500))
    assert sample.vectors.shape == (500, 3)
    assert sample.moving_seen + sample.static_seen == 6 * 10 * 5 * 8  # without the invalid row
    assert sample.moving_seen == sum(int((c.flow[:, 0, 1:] > 0.02).sum()) for c in cells)


def test_invalid_cells_are_left_out():
    cells = flow_cells("k", 0)
    flow = cells.flow.copy()
    flow[:, :, 0] = 9
    sample = sample_cells([FlowCells("k", flow, cells.valid, 1, 4)], 1, CodebookSection())
    assert sample.vectors.max() < 1


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("moving_share", [0.1, 0.5])
def test_static_cells_are_at_most_the_given_share(fraction, moving_share):
    config = CodebookSection(sample_cells=600, static_fraction=fraction)
    sample = sample_cells([flow_cells(f"k{i}", i, moving_share) for i in range(4)], 4, config)
    static = np.linalg.norm(sample.vectors, axis=1) < static_threshold(3, config)
    assert static.mean() <= fraction + 1e-9
    assert (~static).any()


def test_one_recording_cannot_fill_the_sample():
    cells = [flow_cells("long", 0, pairs=200), *(flow_cells(f"k{i}", i) for i in range(1, 5))]
    cells[0] = FlowCells("long", (cells[0].flow * 2).astype(np.float16), cells[0].valid, 1, 4)
    sample = sample_cells(cells, 5, CodebookSection(sample_cells=500, static_fraction=0.0))
    assert (sample.vectors[:, 0] > 0.08).sum() <= 100


def test_recordings_in_which_nothing_moves():
    still = [flow_cells("k", 0, moving_share=0.0)]
    with pytest.raises(MotionpipeError, match="nothing moves in the"):
        sample_cells(still, 1, CodebookSection())


def test_no_valid_cell_is_one_clear_error():
    cells = flow_cells("k", 0)
    with pytest.raises(MotionpipeError, match="no valid flow cell"):
        sample_cells([FlowCells("k", cells.flow, cells.valid * 0, 1, 4)], 1, CodebookSection())
    with pytest.raises(MotionpipeError, match="no valid flow cell"):
        sample_cells([], 0, CodebookSection())


def test_the_clip_is_a_percentile_of_the_moving_cells():
    moving = np.stack([np.linspace(0.01, 0.2, 1000), np.full(1000, -0.1), np.zeros(1000)], axis=1)
    static = np.zeros((5000, 3))
    sample = CellSample(np.concatenate([moving, static]).astype(np.float32), 1000, 5000)
    clip = clip_range(sample, CodebookSection(clip_percentile=90))
    np.testing.assert_allclose(clip, [0.181, 0.1, 1e-4], rtol=1e-3)


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
    }


def test_a_codebook_file_is_reproducible_and_read_back():
    book = Codebook(TRUE_CENTRES, np.arange(5), np.full(3, 0.15, np.float32))
    data = codebook_bytes(book)
    assert data == codebook_bytes(book)
    read = codebook_from_bytes(data)
    for name in ("centres", "counts", "clip"):
        np.testing.assert_array_equal(getattr(read, name), getattr(book, name))
        assert getattr(read, name).dtype == getattr(book, name).dtype
