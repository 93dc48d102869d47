import numpy as np
import pytest
from motionpipe.pipeline.match_codebooks import match_codebooks
from motionpipe.schemas.codebook import Codebook
from motionpipe.schemas.errors import MotionpipeError
from scipy.stats import wasserstein_distance


def book(centres, counts, **more):
    centres = np.asarray(centres, np.float32)
    return Codebook(centres, np.asarray(counts), np.ones(centres.shape[1], np.float32), **more)


def on_a_line(places, counts):
    return book(np.stack([places, np.zeros(len(places)), np.zeros(len(places))], axis=1), counts)


def test_a_permuted_codebook_matches_itself():
    rng = np.random.default_rng(0)
    centres = np.concatenate([np.zeros((1, 3)), rng.normal(0, 0.1, (20, 3))])
    order = np.concatenate([[0], 1 + rng.permutation(20)])
    counts = rng.integers(1, 100, 21)
    match = match_codebooks(book(centres, counts), book(centres[order], counts[order]))
    assert (order[match.pairs[:, 1]] == match.pairs[:, 0]).all()
    assert not match.distances.any()
    assert match.total_variation == 0
    assert match.earth_mover == pytest.approx(0, abs=1e-9)


def test_distances_and_mass_by_hand():
    match = match_codebooks(on_a_line([0, 1, 4], [5, 3, 2]), on_a_line([0, 4.5, 1], [5, 1, 4]))
    assert match.pairs.tolist() == [[0, 0], [1, 2], [2, 1]]
    assert match.distances.tolist() == [0, 0, 0.5]
    assert match.total_variation == pytest.approx(0.1)
    assert match.earth_mover == pytest.approx(0.1 * 3 + 0.1 * 0.5)


def test_earth_movers_distance_is_scipys_on_a_line():
    rng = np.random.default_rng(1)
    a, b = (on_a_line([0, *rng.normal(0, 1, 30)], rng.integers(1, 50, 31)) for _ in range(2))
    expected = wasserstein_distance(a.centres[:, 0], b.centres[:, 0], a.prior(), b.prior())
    assert match_codebooks(a, b).earth_mover == pytest.approx(expected, rel=1e-6)


def test_the_larger_codebook_keeps_some_to_itself():
    match = match_codebooks(on_a_line([0, 1, 2, 3], [1, 1, 1, 1]), on_a_line([0, 3], [2, 2]))
    assert match.pairs.tolist() == [[0, 0], [3, 1]]
    assert (match.only_a.tolist(), match.only_b.tolist()) == ([1, 2], [])
    assert match.total_variation == pytest.approx(0.5)


def test_zero_matches_zero_even_where_another_pairing_is_shorter():
    match = match_codebooks(on_a_line([0, 1], [1, 1]), on_a_line([0, -1], [1, 1]))
    assert match.pairs.tolist() == [[0, 0], [1, 1]]
    assert match.distances.tolist() == [0, 2]


def test_codebooks_of_different_flow_are_one_clear_error():
    scene, optical = on_a_line([0, 1], [1, 1]), book([[0, 0], [1, 0]], [1, 1])
    planar = book([[0, 0], [1, 0]], [1, 1], planar=True)
    for a, b in ((scene, optical), (scene, planar), (planar, optical)):
        with pytest.raises(MotionpipeError, match="nothing to compare"):
            match_codebooks(a, b)
