import numpy as np
from motionpipe.pipeline.sequence_pictures import sequence_animation, sequence_rows

TRUTH = np.stack([np.full((4, 3), 10 * t, np.uint8) for t in range(5)])
MADE = {"reconstruction": TRUTH[:2] + 1, "future": TRUTH[2:] + 2}


def columns(first, split=2):
    """Where frame `first` stands: three pixels a frame, two between, six where the input ends."""
    left = first * 5 + (4 if first >= split else 0)
    return slice(left, left + 3)


def test_each_frame_stands_under_its_truth():
    image = sequence_rows(TRUTH, MADE, input_frames=2)
    assert image.shape == (3 * 4 + 2 * 2, 5 * 3 + 3 * 2 + 6)
    for t in range(5):
        assert (image[:4, columns(t)] == 10 * t).all()
        assert (image[6:10, columns(t)] == (10 * t + 1 if t < 2 else 255)).all()
        assert (image[12:, columns(t)] == (10 * t + 2 if t >= 2 else 255)).all()


def test_the_animation_shows_truth_and_what_was_made_for_that_moment():
    images = sequence_animation(TRUTH, MADE, input_frames=2)
    assert [(int(i[0, 0]), int(i[0, -1])) for i in images] == [(0, 1), (10, 11), (20, 22), (30, 32), (40, 42)]
    alone = sequence_animation(TRUTH, {"future": MADE["future"]}, input_frames=2)
    assert int(alone[0][0, -1]) == 0  # no reconstruction: the input itself


def test_colours_too():
    truth = np.repeat(TRUTH[..., None], 3, axis=3)
    assert sequence_rows(truth, {}, 2).shape == (4, 27, 3)
    assert sequence_animation(truth, {}, 2)[0].shape == (4, 12, 3)
