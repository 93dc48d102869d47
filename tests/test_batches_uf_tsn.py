import numpy as np
import pytest
import torch
from motionpipe.models.uf_tsn import UNLABELLED
from motionpipe.pipeline.batches_uf_tsn import (
    build_batch,
    clip_seeds,
    middle_snippets,
    random_snippets,
    read_pair,
    read_snippets,
    read_test_snippets,
    reduce_frames,
    snippet_around,
)
from motionpipe.pipeline.clip_plan import ClipRef, TrainSample
from motionpipe.schemas.uf_tsn import UfTsnSection

HEIGHT, WIDTH = 40, 60
FLOW = UfTsnSection(frame_short_side=40, crop=32)
STREAM = UfTsnSection(stage="classifier", frame_short_side=40, crop=32, segments=3, stack=2)


class Ramps:
    """Frame t of a recording: red is t, green the column, blue the row."""

    def __init__(self, height=HEIGHT, width=WIDTH):
        self.size, self.asked = (height, width), []

    def rgb(self, sample, numbers):
        self.asked.append(list(numbers))
        rows, cols = np.indices(self.size, dtype=np.uint8)
        return np.stack([np.stack([np.full_like(rows, t), cols, rows], axis=-1) for t in numbers])


def recording(frames=20, label=7):
    return TrainSample(0, "k", "r", "g", frames, 1, np.zeros(0, np.float32), label)


def ref(seed=3, y=0.5, x=0.5, flip=False):
    return ClipRef(0, seed, y, x, flip)


def bytes_of(values):
    return np.rint(255 * np.asarray(values)).astype(int)


def test_pairs_are_a_stride_apart_and_cut_at_one_place():
    for seed in range(20):
        pair = bytes_of(read_pair(Ramps(), recording(), ref(seed, 0.0, 1.0), FLOW))
        assert pair.shape == (1, 2, 3, 32, 32)
        first, second = pair[0, :, 0, 0, 0]
        assert abs(int(second) - int(first)) == 1
        assert pair[0, 0, 1, 0, 0] == pair[0, 1, 1, 0, 0] == WIDTH - 32
        assert pair[0, 0, 2, 0, 0] == 0


def test_pairs_are_drawn_from_the_whole_recording_and_from_all_distances():
    config = FLOW.model_copy(update={"farthest": 3})
    pairs = [bytes_of(read_pair(Ramps(), recording(8), ref(seed), config))[0, :, 0, 0, 0] for seed in range(200)]
    apart = [int(second) - int(first) for first, second in pairs]
    assert set(apart) == {-3, -2, -1, 1, 2, 3}  # half of them run backwards
    assert 0.35 < np.mean(np.array(apart) < 0) < 0.65
    assert {min(pair) for pair in pairs} == set(range(7))


def test_a_pan_displaces_the_second_crop_of_half_of_the_pairs_within_the_frame():
    config = FLOW.model_copy(update={"pan": 5})
    pairs = [bytes_of(read_pair(Ramps(), recording(), ref(seed), config))[0] for seed in range(800)]
    right = np.array([second[1, 0, 0] - first[1, 0, 0] for first, second in pairs])
    down = np.array([second[2, 0, 0] - first[2, 0, 0] for first, second in pairs])
    assert 0.35 < np.mean((right != 0) | (down != 0)) < 0.6
    assert (right.min(), right.max()) == (-5, 5)
    assert np.mean(np.abs(right[right != 0]) <= 2) > 0.5  # most pans are small
    assert np.abs(down).max() <= 4  # there are only 8 px of room, 4 on each side


def test_mirrored_pairs_are_mirrored_as_a_whole():
    straight, mirrored = (read_pair(Ramps(), recording(), ref(flip=flip), FLOW) for flip in (False, True))
    np.testing.assert_array_equal(mirrored, straight[..., ::-1])


@pytest.mark.parametrize("frames", [3, 4, 9, 20, 301])
def test_a_snippet_lies_in_each_segment(frames):
    drawn = np.array([random_snippets(frames, STREAM, np.random.default_rng(seed)) for seed in range(50)])
    assert drawn.shape == (50, 3, 3)
    assert (np.diff(drawn, axis=2) == 1).all()
    assert drawn.min() >= 0
    assert drawn.max() <= frames - 1
    room = frames - 2
    for segment in range(3):
        starts = drawn[:, segment, 0]
        assert (starts >= int(segment * room / 3)).all()
        assert (starts <= (segment + 1) * room / 3).all()
    if frames > 100:
        assert len(set(drawn[:, 0, 0].tolist())) > 20


def test_a_recording_shorter_than_a_snippet_stands_still_at_its_end():
    assert middle_snippets(2, 4, STREAM) == [[0, 1, 1]]
    assert bytes_of(read_pair(Ramps(), recording(1), ref(), FLOW))[0, :, 0, 0, 0].tolist() == [0, 0]


def test_test_snippets_lie_in_the_middles_and_are_made_once():
    assert [snippet[0] for snippet in middle_snippets(12, 5, STREAM)] == [1, 3, 5, 7, 9]
    assert [snippet[0] for snippet in middle_snippets(4, 25, STREAM)] == [0, 1]
    spatial = STREAM.model_copy(update={"stream": "spatial"})
    assert middle_snippets(10, 2, spatial) == [[2], [7]]


@pytest.mark.parametrize(
    ("frame", "frames", "snippet"),
    [(5, 12, [4, 5, 6]), (0, 12, [0, 1, 2]), (11, 12, [9, 10, 11]), (1, 2, [0, 1, 1])],
)
def test_a_snippet_around_a_frame_stays_in_the_recording(frame, frames, snippet):
    assert snippet_around(frame, frames, STREAM) == snippet


def test_snippets_are_decoded_once():
    source = Ramps()
    snippets = read_snippets(source, recording(5), ref(), STREAM)
    assert snippets.shape == (3, 3, 3, 32, 32)
    assert source.asked == [sorted(set(source.asked[0]))]


def test_scaled_crops_show_more_of_the_frame():
    config = STREAM.model_copy(update={"crop_scales": (1.25,)})
    snippet = bytes_of(read_snippets(Ramps(), recording(), ref(), config))[0, 0]
    assert snippet[1, 0, -1] - snippet[1, 0, 0] == pytest.approx(1.25 * 31, abs=1)
    beyond = STREAM.model_copy(update={"crop_scales": (9.0,)})  # no more than the frame has
    assert bytes_of(read_snippets(Ramps(), recording(), ref(), beyond))[0, 0, 2, -1, 0] == pytest.approx(39, abs=1)


def test_ten_crops_are_corners_and_centre_and_their_mirror_images():
    numbers = [[0, 1, 2], [5, 6, 7]]
    ten = bytes_of(read_test_snippets(Ramps(), recording(), numbers, 10, STREAM))
    assert ten.shape == (20, 3, 3, 32, 32)
    corners = [(int(crop[0, 2, 0].min()), int(crop[0, 1, 0].min())) for crop in ten[:5]]
    assert corners == [(0, 0), (0, 28), (8, 0), (8, 28), (4, 14)]
    np.testing.assert_array_equal(ten[5:10], ten[:5, ..., ::-1])
    assert (ten[10:, 0, 0] == 5).all()
    one = bytes_of(read_test_snippets(Ramps(), recording(), numbers, 1, STREAM))
    np.testing.assert_array_equal(one, ten[[4, 14]])


@pytest.mark.parametrize(
    ("size", "expected"), [((80, 120), (40, 60)), ((30, 50), (32, 53)), ((120, 50), (96, 40)), ((36, 40), (36, 40))]
)
def test_frames_shrink_to_the_shorter_side_and_grow_only_for_the_crop(size, expected):
    frames = Ramps(*size).rgb(None, [0])
    assert reduce_frames(frames, FLOW).shape[1:3] == expected


def test_batches_hold_columns_of_classes():
    samples = [recording(label=7), recording(label=2), recording(label=-1)]
    refs = [ClipRef(number, 1, 0.5, 0.5, False) for number in range(3)]
    batch = build_batch(Ramps(), samples, refs, STREAM, (2, 7))
    assert batch.frames.shape == (3, 3, 3, 3, 32, 32)
    assert batch.classes.tolist() == [1, 0, UNLABELLED]
    assert build_batch(Ramps(), samples, refs, FLOW).frames.shape == (3, 1, 2, 3, 32, 32)


def test_seeds_say_everything():
    seeds = clip_seeds(recording(), 0.3)
    assert len(seeds) == 2**31
    one, again, other = (read_snippets(Ramps(), recording(200), ref(seed), STREAM) for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert torch.from_numpy(one).dtype == torch.float32


class Shifts:
    """Flow of pair t: t to the right, column / 10 down."""

    def flow(self, sample, pairs):
        rows, cols = np.indices((HEIGHT, WIDTH), dtype=np.float32)
        return np.stack([np.stack([np.full_like(rows, t), cols / 10]) for t in pairs])


STORED = STREAM.model_copy(update={"flow": "tv-l1"})


def test_stored_flow_is_cut_where_frames_would_be():
    straight, mirrored = (read_snippets(Shifts(), recording(), ref(x=0.0, flip=flip), STORED) for flip in (False, True))
    assert straight.shape == (3, 2, 2, 32, 32)
    first = straight[:, :, 0, 0, 0]
    np.testing.assert_array_equal(first[:, 1], first[:, 0] + 1)
    np.testing.assert_allclose(straight[0, 0, 1, 5], np.arange(32) / 10, rtol=1e-6)
    np.testing.assert_array_equal(mirrored[:, :, 0], -straight[:, :, 0, :, ::-1])
    np.testing.assert_array_equal(mirrored[:, :, 1], straight[:, :, 1, :, ::-1])
    frames = bytes_of(read_snippets(Ramps(), recording(), ref(x=0.0), STREAM))
    np.testing.assert_array_equal(frames[:, :2, 0, 0, 0], first)


def test_stored_flow_counts_the_pixels_that_are_seen():
    config = STORED.model_copy(update={"crop_scales": (1.25,)})
    scaled = read_snippets(Shifts(), recording(), ref(), config)
    whole = read_snippets(Shifts(), recording(), ref(), STORED)
    np.testing.assert_allclose(scaled[:, :, 0, 0, 0], whole[:, :, 0, 0, 0] / 1.25, rtol=1e-5)


def test_past_the_end_of_a_recording_stored_flow_is_0():
    ten = read_test_snippets(Shifts(), recording(2), [[0, 1, 1]], 10, STORED)
    assert ten.shape == (10, 2, 2, 32, 32)
    assert (ten[:, 1] == 0).all()
    assert (ten[:, 0, 1] != 0).any()
