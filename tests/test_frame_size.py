from fractions import Fraction

import numpy as np
import pytest
from motionpipe.pipeline.coded_stream import upright
from motionpipe.pipeline.frame_size import quarter_turns, reduced_size, square_size


@pytest.mark.parametrize(
    ("width", "height", "short_side", "expected"),
    [
        (1920, 1080, 256, (455, 256)),
        (1080, 1920, 256, (256, 455)),
        (320, 240, 256, (320, 240)),  # never enlarged
        (512, 424, 106, (128, 106)),
        (100, 100, 50, (50, 50)),
        (5000, 3, 2, (3333, 2)),
        (1, 4000, 16, (1, 4000)),
        (199.4, 112, 256, (199, 112)),
    ],
)
def test_reduced_size(width, height, short_side, expected):
    assert reduced_size(width, height, short_side) == expected


@pytest.mark.parametrize(
    ("aspect", "expected"),
    [(Fraction(1), (720, 576)), (Fraction(16, 15), (720, 540)), (Fraction(8, 9), (640, 576))],
)
def test_square_pixels_are_never_more_than_there_were(aspect, expected):
    assert square_size(720, 576, aspect) == expected


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_display_matrices_put_images_upright(turns, mirrored):
    """The matrix is built from where the file says that pixels go; numpy says how that image looks."""
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    source = image[:, ::-1] if mirrored else image
    x_axis = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]  # clockwise, y down
    y_axis = [(0, 1), (-1, 0), (0, -1), (1, 0)][turns]
    sign = -1 if mirrored else 1
    matrix = (sign * x_axis[0], sign * x_axis[1], *y_axis)
    np.testing.assert_array_equal(upright(image, matrix), np.rot90(source, -turns))
    assert quarter_turns(matrix) == (90 * turns, mirrored)
