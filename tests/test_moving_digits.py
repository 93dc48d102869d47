import numpy as np
import torch
from motionpipe.models.moving_digits import draw_digits
from motionpipe.pipeline.moving_mnist import SIDE, MovingMnist


def test_a_device_draws_what_paste_draws_to_the_bit():
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    sequences = MovingMnist(images, "train", 3, num_digits=3, num_frames=30)
    digits = torch.from_numpy(images[sequences.digits(5, 25)])
    corners = torch.from_numpy(sequences.positions(5, 25).astype(np.int64))
    assert corners.amin() == 0  # at the wall
    drawn = draw_digits(digits, corners, SIDE)
    np.testing.assert_array_equal(drawn.numpy(), sequences.frames(5, 25))
