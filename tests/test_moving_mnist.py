"""Moving MNIST against a literal walk, against made digits whose picture is known, and against published figures."""

import hashlib
import math
import os
from pathlib import Path

import numpy as np
import pytest
from motionpipe.pipeline.idx_files import read_idx
from motionpipe.pipeline.moving_mnist import (
    TEST_SEQUENCES,
    MovingMnist,
    bounce,
    draw_motion,
    fixed_test_set,
    paste,
)

DATA = Path(os.environ.get("MOTIONPIPE_TEST_DATA") or "absent") / "mnist"
needs_mnist = pytest.mark.skipif(not DATA.is_dir(), reason="MOTIONPIPE_TEST_DATA does not name a folder with mnist/")

# sha256 of the fixed test set: uint8 (10000, 20, 64, 64) in C order, from the digits of t10k-images-idx3-ubyte
TEST_SET_SHA256 = "56eef6348d54627d7dddf96c183a2cc6f5368b2a417c6f9c18bef40fea25fe11"
# the same of the first 50 sequences with the digits of `blocks`: needs no data
BLOCKS_SHA256 = "c360b86e98a3ba86d524006fe74d3b6b085b9f6c3bbe400f92e9504ab53cd23a"


@pytest.fixture(scope="module")
def blocks():
    """Seven digits: digit i is a full square of value 30 * (i + 1)."""
    return np.repeat(np.arange(30, 240, 30, dtype=np.uint8), 28 * 28).reshape(7, 28, 28)


def walk(y, x, theta, step, num_frames):
    """One digit's way [box], one number at a time."""
    v_y, v_x, way = math.sin(theta), math.cos(theta), []
    for _ in range(num_frames):
        y, x = y + v_y * step, x + v_x * step
        if x <= 0:
            x, v_x = 0.0, -v_x
        if x >= 1:
            x, v_x = 1.0, -v_x
        if y <= 0:
            y, v_y = 0.0, -v_y
        if y >= 1:
            y, v_y = 1.0, -v_y
        way.append((y, x))
    return way


def test_the_walk_is_the_released_program_s():
    motion = draw_motion(np.random.RandomState(3), 40)
    path = bounce(motion, 50)
    for number in range(40):
        np.testing.assert_allclose(path[:, :, number], walk(*motion[:, number], 50), rtol=0, atol=1e-12)


def test_draws_come_in_the_released_program_s_order():
    state = np.random.get_state()
    try:
        np.random.seed(42)
        y, x, turns = np.random.rand(160), np.random.rand(160), np.random.rand(160)
        after = np.random.rand()
    finally:
        np.random.set_state(state)
    random = np.random.RandomState(42)
    motion = draw_motion(random, 160)
    np.testing.assert_array_equal(motion, [y, x, turns * 2 * np.pi, np.full(160, 0.1)])
    assert random.rand() == after


def test_a_range_of_speeds_leaves_the_other_draws_alone():
    fixed, varied = (draw_motion(np.random.RandomState(5), 500, speeds) for speeds in (None, (1.8, 7.2)))
    np.testing.assert_array_equal(fixed[:3], varied[:3])
    speeds = 36 * varied[3]
    assert speeds.min() >= 1.8
    assert speeds.max() <= 7.2
    assert np.histogram(speeds, 3, (1.8, 7.2))[0].min() > 130


def test_a_digit_that_hits_a_wall_is_put_on_it_and_turned():
    right = np.array([[0.5], [0.85], [0.0], [0.1]])
    np.testing.assert_allclose(bounce(right, 4)[:, 1, 0], [0.95, 1.0, 0.9, 0.8])
    up = np.array([[0.15], [0.5], [1.5 * np.pi], [0.1]])
    np.testing.assert_allclose(bounce(up, 4)[:, 0, 0], [0.05, 0.0, 0.1, 0.2])


@pytest.mark.parametrize("speed_px", [None, (2.0, 6.0), (36.0, 36.0)])
def test_positions_stay_in_the_box_and_steps_are_of_one_length(blocks, speed_px):
    positions = MovingMnist(blocks, "train", 1, speed_px=speed_px).positions(0, 300)
    assert positions.shape == (300, 20, 2, 2)
    assert positions.min() == 0
    assert positions.max() == 36
    lengths = np.linalg.norm(np.diff(positions, axis=1), axis=-1)
    at_wall = ((positions == 0) | (positions == 36)).any(axis=-1)[:, 1:]
    if speed_px is None:
        np.testing.assert_allclose(lengths[~at_wall], 3.6, atol=1e-9)
        assert (lengths[at_wall] < 3.6 + 1e-9).all()
        assert 0.05 < at_wall.mean() < 0.2
    else:
        slow, fast = speed_px
        assert ((lengths[~at_wall] > slow - 1e-9) & (lengths[~at_wall] < fast + 1e-9)).all()


def test_starts_and_directions_are_even_over_sequences(blocks):
    sequences = MovingMnist(blocks, "train", 0, num_digits=1)
    first = sequences.positions(0, 4000)[:, :2, 0]
    for axis in range(2):
        assert np.histogram(first[:, 0, axis], 6, (0, 36))[0].min() > 550
    inside = ((first > 0) & (first < 36)).all(axis=(1, 2))
    step = first[inside, 1] - first[inside, 0]
    assert np.histogram(np.arctan2(step[:, 0], step[:, 1]), 8, (-np.pi, np.pi))[0].min() > 320


def test_a_frame_is_the_maximum_of_its_digits_at_the_floor_of_their_positions(blocks):
    sequences = MovingMnist(blocks, "train", 2, num_digits=3, num_frames=5)
    frames, rows = sequences.frames(4, 9), sequences.digits(4, 9)
    corners = np.floor(sequences.positions(4, 9)).astype(int)
    for s, t in np.ndindex(5, 5):
        layers = np.zeros((3, 64, 64), dtype=np.uint8)
        for layer, row, (top, left) in zip(layers, rows[s], corners[s, t], strict=True):
            layer[top : top + 28, left : left + 28] = 30 * (row + 1)
        np.testing.assert_array_equal(frames[s, t], layers.max(axis=0))


def test_overlap_keeps_the_brighter_and_does_not_add():
    digits = np.array([[[[200]], [[90]]]], dtype=np.uint8).repeat(28, axis=2).repeat(28, axis=3)
    frame = paste(digits, np.array([[[[0, 0], [10, 20]]]], dtype=np.int32))[0, 0]
    assert frame[27, 27] == 200
    assert frame[27, 28] == 90
    assert set(np.unique(frame)) == {0, 90, 200}
    np.testing.assert_array_equal(frame, paste(digits[:, ::-1], np.array([[[[10, 20], [0, 0]]]], np.int32))[0, 0])


def test_any_sequence_is_made_without_those_before_it(blocks):
    sequences = MovingMnist(blocks, "train", 7, speed_px=(1.0, 5.0))
    whole = sequences.frames(0, 30)
    np.testing.assert_array_equal(whole[17:23], sequences.frames(17, 23))
    np.testing.assert_array_equal(whole[29], sequences.frames(29, 30)[0])
    assert len({frames.tobytes() for frames in whole}) == 30


def test_seeds_and_parts_differ(blocks):
    positions = [
        MovingMnist(blocks, part, seed).positions(0, 5) for part, seed in (("train", 0), ("train", 1), ("test", 0))
    ]
    assert len({array.tobytes() for array in positions}) == 3


def test_every_digit_is_used_before_any_comes_again(blocks):
    rows = MovingMnist(blocks, "train", 0, num_digits=3).digits(0, 14).ravel()
    rounds = rows.reshape(6, 7)
    np.testing.assert_array_equal(np.sort(rounds), np.tile(np.arange(7), (6, 1)))
    assert len({tuple(order) for order in rounds.tolist()}) == 6


def test_digits_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"uint8 \(N, 28, 28\)"):
        MovingMnist(np.zeros((4, 32, 32), dtype=np.uint8), "train", 0)


def test_the_same_seed_gives_the_same_bytes_everywhere(blocks):
    assert hashlib.sha256(fixed_test_set(blocks).frames(0, 50).tobytes()).hexdigest() == BLOCKS_SHA256


def test_no_corner_of_the_fixed_test_set_hangs_on_a_rounding(blocks):
    """Sine and cosine may differ in their last bit between machines; no position is so near to a whole pixel."""
    positions = fixed_test_set(blocks).positions(0, TEST_SEQUENCES)
    inside = positions[(positions > 0) & (positions < 36)]
    assert np.abs(inside - np.round(inside)).min() > 1e-9


def bernoulli(z, p):
    """Cross-entropy of targets z under probabilities p, by element [nats]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(z > 0, z * np.log(p), 0) - np.where(z < 1, (1 - z) * np.log1p(-p), 0)


@needs_mnist
def test_the_fixed_test_set_is_the_published_one_and_has_the_published_floors():
    """Floor p = z: 86.3 nats a frame (notes of the VPN paper); the constant predictor: about 803."""
    sequences = fixed_test_set(read_idx(DATA / "t10k-images-idx3-ubyte.gz"))
    digest, levels = hashlib.sha256(), np.zeros(256, dtype=np.int64)
    for start in range(0, TEST_SEQUENCES, 500):
        frames = sequences.frames(start, start + 500)
        digest.update(frames)
        levels += np.bincount(frames.ravel(), minlength=256)
    assert digest.hexdigest() == TEST_SET_SHA256
    z, share = np.arange(256) / 255, levels / levels.sum()
    floor, constant = (4096 * (share * bernoulli(z, p)).sum() for p in (z, np.full(256, (share * z).sum())))
    assert floor == pytest.approx(86.34, abs=0.01)
    assert constant == pytest.approx(804.3, abs=0.1)
    uses = np.bincount(sequences.digits(0, TEST_SEQUENCES).ravel(), minlength=10_000)
    assert (uses == 2).all()
