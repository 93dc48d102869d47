import numpy as np
import pytest
from motionpipe.pipeline.kmeans import (
    assign_block,
    draw_block,
    fit_blocks,
    lloyd_pass,
    lloyd_start,
    reduce_candidates,
    seed_centres,
)
from motionpipe.pipeline.nearest_centre import nearest_centre, sums_by_code
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits


def heavy_tailed(count=20_000, channels=3, seed=0):
    """Like flow: most vectors are short, a few are long."""
    values = np.random.default_rng(seed).standard_t(3, (count, channels)) * 0.02
    return np.clip(values, -0.15, 0.15).astype(np.float32)


def blocks_of(vectors, count=7):
    parts = np.array_split(vectors, count)
    return lambda task: [task(number, part) for number, part in enumerate(parts)]


def held_zero(size, channels=3):
    held = np.zeros((size, channels), bool)
    held[0] = True
    return held


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize("count", [1, 1023, 1024, 2500])
def test_nearest_centres_are_those_of_brute_force(channels, count):
    vectors, centres = heavy_tailed(count, channels), heavy_tailed(33, channels, 1)
    codes, squared = nearest_centre(vectors, centres)
    distances = np.square(vectors[:, None].astype(np.float64) - centres[None]).sum(axis=2)
    np.testing.assert_allclose(squared, distances.min(axis=1), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(distances[np.arange(count), codes], distances.min(axis=1), rtol=1e-5, atol=1e-12)


def test_ties_go_to_the_lowest_index():
    centres = np.array([[0, 0], [0.25, 0], [0.25, 0], [0, 0.25]], np.float32)
    codes, _ = nearest_centre(np.array([[0.125, 0], [0.25, 0], [0.125, 0.125]], np.float32), centres)
    assert codes.tolist() == [0, 1, 0]


def test_no_vectors_have_no_centres():
    codes, squared = nearest_centre(np.zeros((0, 3), np.float32), np.zeros((4, 3), np.float32))
    assert len(codes) == len(squared) == 0
    counts, sums = sums_by_code(np.zeros((0, 3), np.float32), codes, 4)
    assert not counts.any()
    assert sums.shape == (4, 3)


def test_from_the_same_start_lloyd_goes_where_scikit_learns_does():
    vectors = heavy_tailed()
    start = seed_centres(blocks_of(vectors), (16, 3), 0)
    none_held = np.zeros((16, 3), bool)
    centres = start
    for _ in range(10):
        total = lloyd_pass(blocks_of(vectors), centres)
        centres = np.where(none_held, 0, total.sums / total.counts[:, None]).astype(np.float32)
    with threadpool_limits(1):
        peer = KMeans(16, init=start, n_init=1, max_iter=10, tol=0, algorithm="lloyd").fit(vectors)
    # scikit-learn's inertia is that of its last centres' labels
    assert lloyd_pass(blocks_of(vectors), centres).inertia == pytest.approx(peer.inertia_, rel=1e-3)
    np.testing.assert_allclose(centres, peer.cluster_centers_, atol=2e-5)


@pytest.mark.parametrize(("size", "seed"), [(16, 0), (32, 1), (64, 2)])
def test_the_fit_is_as_good_as_scikit_learns(size, seed):
    vectors = heavy_tailed()
    ours = fit_blocks(blocks_of(vectors), held_zero(size), 50, seed)
    with threadpool_limits(1):
        peers = [KMeans(size, n_init=1, max_iter=50, tol=0, random_state=s).fit(vectors).inertia_ for s in range(2)]
    assert ours.inertia[-1] <= 1.01 * np.mean(peers)


def test_seeds_spread_over_clusters_that_differ_in_size():
    rng = np.random.default_rng(0)
    means = np.array([[0, 0, 0], *rng.uniform(-0.15, 0.15, (11, 3))])
    counts = [20_000, *[20] * 11]
    vectors = np.concatenate([m + rng.normal(0, 1e-4, (n, 3)) for m, n in zip(means, counts, strict=True)])
    seeds = seed_centres(blocks_of(rng.permutation(vectors).astype(np.float32)), (12, 3), 0)
    nearest = np.linalg.norm(seeds[:, None] - means[None], axis=2).argmin(axis=1)
    assert sorted(nearest) == list(range(12))


def test_the_fit_is_a_function_of_blocks_and_seed_and_not_of_the_order_of_work():
    vectors = heavy_tailed(5000)
    parts = np.array_split(vectors, 5)

    def backwards(task):
        return [task(number, parts[number]) for number in reversed(range(5))][::-1]

    one, two, other = (
        fit_blocks(over, held_zero(12), 20, seed)
        for over, seed in ((blocks_of(vectors, 5), 3), (backwards, 3), (backwards, 4))
    )
    assert one.centres.tobytes() == two.centres.tobytes()
    assert one.inertia == two.inertia
    assert one.centres.tobytes() != other.centres.tobytes()


def test_sums_are_those_of_all_blocks():
    vectors = heavy_tailed(1000)
    centres = heavy_tailed(9, seed=1)
    total, whole = lloyd_pass(blocks_of(vectors), centres), assign_block(centres, 0, vectors)
    np.testing.assert_array_equal(total.counts, whole.counts)
    np.testing.assert_allclose(total.sums, whole.sums, rtol=1e-12)
    assert total.counts.sum() == 1000


def test_blocks_without_vectors_do_no_harm():
    vectors = heavy_tailed(500)
    parts = [vectors[:0], vectors, vectors[:0]]
    fit = fit_blocks(lambda task: [task(n, part) for n, part in enumerate(parts)], held_zero(8), 20, 0)
    assert np.isfinite(fit.centres).all()


def test_an_empty_centre_goes_to_the_farthest_vector(monkeypatch):
    rng = np.random.default_rng(0)
    means = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]])
    vectors = (means.repeat(100, axis=0) + rng.normal(0, 1e-3, (400, 3))).astype(np.float32)
    # two seeds lie where no vector is nearest to them
    bad = np.array([[0, 0, 0], [0.1, 0, 0], [9, 9, 9], [-9, 9, 9]], np.float32)
    monkeypatch.setattr("motionpipe.pipeline.kmeans.seed_centres", lambda *_: bad)
    fit = fit_blocks(blocks_of(vectors), held_zero(4), 20, 0)
    assert sorted(np.linalg.norm(fit.centres[:, None] - means[None], axis=2).argmin(axis=1)) == [0, 1, 2, 3]


def test_draws_prefer_far_vectors_in_proportion_to_the_squared_distance():
    vectors = np.concatenate([np.full((5000, 2), [0.1, 0]), np.full((5000, 2), [0.2, 0])]).astype(np.float32)
    counts = np.zeros(2)
    for seed in range(20):
        _, drawn = draw_block(np.zeros((1, 2), np.float32), 50, [seed], 0, vectors)
        counts += [(drawn[:, 0] < 0.15).sum(), (drawn[:, 0] > 0.15).sum()]
    assert counts.sum() == 1000
    assert counts[1] / counts.sum() == pytest.approx(0.8, abs=0.04)


def test_held_components_go_to_those_that_lose_least():
    held = np.zeros((4, 2), bool)
    held[0] = True
    held[1, 0] = True
    start = lloyd_start(np.array([[0, 0], [0.5, 1], [0.1, 2], [0.3, 3]], np.float32), held)
    assert start.tolist() == [[0, 0], [0, 2], [0.5, 1], pytest.approx([0.3, 3])]


def test_candidates_without_weight_are_still_taken_where_there_is_nothing_else():
    candidates = np.array([[0, 0], [1, 0], [2, 0]], np.float32)
    chosen = reduce_candidates(candidates, np.array([5.0, 0, 0]), 3, np.random.default_rng(0))
    assert sorted(chosen[:, 0]) == [0, 1, 2]
