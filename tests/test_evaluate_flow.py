import numpy as np
from motionpipe.jobs.evaluate_flow import compare, spaced_pairs, table


def test_pairs_are_spread_over_recordings_and_within_them():
    assert spaced_pairs([21, 21], 1, 4) == [(0, 6), (0, 13), (1, 6), (1, 13)]
    assert spaced_pairs([5, 5, 5, 5], 1, 2) == [(0, 2), (3, 2)]
    assert spaced_pairs([2], 1, 10) == [(0, 0)]
    chosen = spaced_pairs([30, 3, 12], 2, 9)
    assert len(chosen) == len(set(chosen)) <= 9
    assert all(0 <= first < [30, 3, 12][sample] - 2 for sample, first in chosen)


def test_all_methods_see_the_same_pairs():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (2, 24, 32, 3)).astype(np.uint8)
    seen = []

    def method(name):
        def flow(first, second):
            seen.append((name, int(first[0, 0, 0])))
            return np.zeros((2, 24, 32), np.float32)

        return flow

    pairs = [(frames[0], frames[1]), (frames[1], frames[0])]
    rows = compare({"a": method("a"), "b": method("b")}, lambda: iter(pairs), 2)
    assert [row.method for row in rows] == ["a", "b"]
    assert rows[0].quality == rows[1].quality
    assert [name for name, _ in seen] == ["a", "b", "a", "b"]
    assert seen[0][1] == seen[1][1] != seen[2][1]
    assert len(table(rows, "split")) == 3
