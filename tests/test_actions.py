"""Actions bear NTU's numbers, start where they should and are paired with their reversals."""

import numpy as np
import pytest
from motionpipe.pipeline.actions import ACTIONS, REVERSED_PAIRS, smooth
from motionpipe.pipeline.capsule_figure import RIGHT
from motionpipe.pipeline.ntu_actions import ACTION_NAMES


def test_every_number_is_one_of_ntu() -> None:
    assert set(ACTIONS) <= set(ACTION_NAMES)


def test_pairs_are_one_motion_in_two_directions() -> None:
    for forward, back in REVERSED_PAIRS:
        assert ACTIONS[forward].motion is ACTIONS[back].motion
        assert not ACTIONS[forward].reverse
        assert ACTIONS[back].reverse


@pytest.mark.parametrize("action", [a for a, what in ACTIONS.items() if what.cycles_per_s])
def test_periodic_motions_repeat_after_a_cycle(action: int) -> None:
    pose = ACTIONS[action].motion(np.array([0.3, 1.3]), RIGHT)
    np.testing.assert_allclose(pose.hands[0], pose.hands[1], atol=1e-9)
    np.testing.assert_allclose(pose.feet[0], pose.feet[1], atol=1e-9)


def test_easing_is_symmetric_in_time() -> None:
    u = np.linspace(-0.1, 1.1, 13)
    np.testing.assert_allclose(smooth(1 - u), 1 - smooth(u), atol=1e-12)
