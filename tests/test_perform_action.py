"""Bodies stay rigid and on the floor, reversed actions are exact reversals, and everything follows from the spec."""

import numpy as np
import pytest
from motionpipe.pipeline.actions import ACTIONS, REVERSED_PAIRS
from motionpipe.pipeline.body_shape import body_shape
from motionpipe.pipeline.capsule_figure import LEGS
from motionpipe.pipeline.perform_action import (
    Performance,
    PerformanceSpec,
    Variation,
    draw_variation,
    perform,
    performance,
    posed,
)


def spec(action: int, performer: int = 1, replication: int = 1) -> PerformanceSpec:
    return PerformanceSpec(seed=0, performer=performer, action=action, replication=replication, num_frames=16, fps=8.0)


def lowest_point(acted: Performance) -> float:
    capsules = [posed(acted, t) for t in range(len(acted.joints))]
    return min(float((np.minimum(c.start[:, 1], c.end[:, 1]) - c.radius).min()) for c in capsules)


@pytest.mark.parametrize("action", ACTIONS)
def test_parts_are_rigid_and_nothing_is_below_the_floor(action: int) -> None:
    acted = performance(spec(action))
    gram = acted.rotation.swapaxes(-1, -2) @ acted.rotation
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(acted.rotation), 1.0, atol=1e-9)
    assert lowest_point(acted) > -1e-3
    assert acted.joints.shape == (16, 25, 3)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_moves_visibly(action: int) -> None:
    joints = performance(spec(action)).joints
    assert np.ptp(joints, axis=0).max() > 0.2


@pytest.mark.parametrize("pair", REVERSED_PAIRS)
def test_pairs_are_exact_reversals(pair: tuple[int, int]) -> None:
    shape = body_shape(0, 3)
    variation = Variation(hold_start=0.1, hold_end=0.03, skew=0.3, heading=0.4, sway=(1.0, 2.0, 3.0))
    forward, back = (perform(shape, ACTIONS[a], variation, 12, 10.0) for a in pair)
    np.testing.assert_array_equal(forward.joints, back.joints[::-1])
    np.testing.assert_array_equal(forward.rotation, back.rotation[::-1])


def test_variations_of_a_pair_have_one_distribution() -> None:
    drawn = {a: [draw_variation(spec(a, replication=2 * r + 1)) for r in range(400)] for a in (8, 9)}
    for name in ("amplitude", "hold_start", "hold_end", "skew", "side", "heading", "x"):
        one, other = ([float(getattr(v, name)) for v in drawn[a]] for a in (8, 9))
        assert abs(np.mean(one) - np.mean(other)) < 0.3 * np.std(one)
    # Turning time around swaps the holds and flips the skew: neither may tell the direction.
    both = drawn[8] + drawn[9]
    holds = np.array([v.hold_start - v.hold_end for v in both])
    assert abs(holds.mean()) < 0.15 * holds.std()
    assert abs(np.mean([v.skew for v in both])) < 0.03


def test_planted_feet_do_not_slide() -> None:
    acted = perform(body_shape(0, 1), ACTIONS[8], Variation(), 20, 10.0)
    ankles = acted.origin[:, [leg + 2 for leg in LEGS]]
    assert np.ptp(ankles, axis=0).max() < 1e-3


def test_repetitions_differ_and_repeat() -> None:
    np.testing.assert_array_equal(performance(spec(24)).joints, performance(spec(24)).joints)
    assert not np.array_equal(performance(spec(24)).joints, performance(spec(24, replication=2)).joints)
