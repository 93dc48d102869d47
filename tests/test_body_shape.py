"""Subjects are people of plausible size, each one's own, and follow from the seed."""

import numpy as np
from motionpipe.pipeline.body_shape import MATERIALS, body_shape


def test_subjects_differ_and_repeat() -> None:
    heights = {round(body_shape(0, performer).height, 4) for performer in range(1, 9)}
    assert len(heights) == 8
    np.testing.assert_array_equal(body_shape(0, 1).colour, body_shape(0, 1).colour)
    assert not np.array_equal(body_shape(0, 1).colour, body_shape(1, 1).colour)


def test_the_segments_of_a_body_add_up_to_its_height() -> None:
    shape = body_shape(0, 2)
    shoulders = shape.ankle + shape.leg + shape.abdomen + shape.chest
    np.testing.assert_allclose(shoulders, 0.80 * shape.height)
    assert shape.colour.shape == (len(MATERIALS), 3)
