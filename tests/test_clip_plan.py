from collections import Counter
from functools import partial
from itertools import chain

import numpy as np
import pytest
from motionpipe.pipeline.clip_plan import (
    TrainSample,
    clip_starts,
    flow_starts,
    held_out_groups,
    moving_starts,
    plan_held_out,
    require_even_share,
)
from motionpipe.pipeline.clip_plan import plan_epoch as plan_clips
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.training import TrainSection


def sample(key="a", frames=20, stride=2, motion=None):
    motion = np.array(motion if motion is not None else [1.0] * (frames - stride), np.float32)
    return TrainSample(0, key, key, key, frames, stride, motion)


def plan_epoch(samples, epoch, config, steps=3, moving_clips=0.5, flip=True):
    """The plan of a pre-training run."""
    return plan_clips(samples, epoch, config, partial(flow_starts, steps=steps, moving_clips=moving_clips), flip)


def config(**changed):
    return TrainSection(**{"global_batch": 4, "micro_batch": 2, **changed})


SAMPLES = [sample(f"k{i}", frames=10 + i) for i in range(9)]


def flat(steps):
    return list(chain.from_iterable(chain.from_iterable(steps)))


@pytest.mark.parametrize(("frames", "stride", "starts"), [(20, 2, 16), (5, 2, 1), (4, 2, 0), (1, 1, 0), (3, 1, 1)])
def test_starts_leave_room_for_both_frames_and_one_flow(frames, stride, starts):
    one = sample(frames=frames, stride=stride)
    assert one.num_starts == starts
    # by brute force: frames t and t + s, and a pair that starts at t + s
    assert [t for t in range(frames) if t + 2 * stride <= frames - 1] == list(range(starts))


def test_future_pairs_are_a_stride_apart_and_end_with_the_recording():
    one = sample(frames=12, stride=2)  # pairs 0..9
    assert one.future_pairs(0, 3) == [2, 4, 6]
    assert one.future_pairs(0, 9) == [2, 4, 6, 8]
    assert one.future_pairs(7, 3) == [9]
    assert one.future_pairs(1, 3, from_pair=True) == [1, 3, 5]
    assert all(one.future_pairs(t, 3) for t in range(one.num_starts))
    assert one.future_pairs(one.num_starts, 3) == []


def test_an_epoch_is_a_function_of_seed_and_number():
    assert plan_epoch(SAMPLES, 3, config()) == plan_epoch(SAMPLES, 3, config())
    plans = [plan_epoch(SAMPLES, e, config(seed=s)) for e, s in ((3, 0), (4, 0), (3, 1))]
    assert plans[0] != plans[1] != plans[2] != plans[0]


@pytest.mark.parametrize(("count", "steps"), [(None, 2), (9, 2), (8, 2), (12, 3), (30, 7), (1, 1)])
def test_every_batch_is_full(count, steps):
    plan = plan_epoch(SAMPLES, 0, config(clips_per_epoch=count))
    assert len(plan) == steps
    assert all(len(micro) == 2 for step in plan for micro in step)
    assert all(len(step) == 2 for step in plan)


def test_fewer_samples_than_a_batch_still_make_a_step():
    assert [len(flat([step])) for step in plan_epoch(SAMPLES[:1], 0, config())] == [4]


@pytest.mark.parametrize("count", [8, 12, 20, 36])
def test_every_sample_comes_once_before_any_comes_twice(count):
    order = [ref.sample for ref in flat(plan_epoch(SAMPLES, 0, config(clips_per_epoch=count)))]
    assert len(order) == count
    for start in range(0, count, 9):
        part = order[start : start + 9]
        assert len(set(part)) == len(part)
    uses = Counter(order)
    assert max(uses.values()) - min(uses[i] for i in range(9)) <= 1


def test_clips_lie_inside_their_recordings_and_crops_inside_the_frame():
    refs = flat(plan_epoch(SAMPLES, 0, config(clips_per_epoch=400)))
    assert all(0 <= ref.start < SAMPLES[ref.sample].num_starts for ref in refs)
    assert all(0 <= place < 1 for ref in refs for place in (ref.crop_y, ref.crop_x))
    starts = {ref.start for ref in refs if ref.sample == 8}
    assert {0, SAMPLES[8].num_starts - 1} <= starts


def test_half_of_the_clips_are_mirrored_where_that_is_asked():
    refs = flat(plan_epoch(SAMPLES, 0, config(clips_per_epoch=400)))
    assert 140 < sum(ref.flip for ref in refs) < 260
    assert not any(ref.flip for ref in flat(plan_epoch(SAMPLES, 0, config(clips_per_epoch=400), flip=False)))


def test_moving_starts_are_the_half_with_the_longest_future_flow():
    motion = [0.0] * 18
    motion[12] = 5.0
    one = sample(frames=20, stride=2, motion=motion)  # 16 starts; t sees pairs t + 2, t + 4, t + 6
    starts = moving_starts(one, 3)
    assert len(starts) == 8
    assert {6, 8, 10} <= set(starts)
    assert starts == sorted(starts)


def test_the_mean_is_over_the_flow_that_exists():
    # the last starts see fewer pairs; they are not punished for that
    motion = [1.0] * 9 + [3.0]
    one = sample(frames=11, stride=1, motion=motion)
    assert one.num_starts == 9
    assert 8 in moving_starts(one, 8)


@pytest.mark.parametrize("frames", [5, 6])
def test_the_shortest_recordings_have_one_moving_start(frames):
    assert len(moving_starts(sample(frames=frames, stride=2), 3)) == 1


@pytest.mark.parametrize(("share", "expected"), [(1.0, {0, 1, 2, 3}), (0.0, set(range(8)))])
def test_clips_are_drawn_from_the_moving_half_as_often_as_asked(share, expected):
    motion = [0.0, *([9.0] * 4), *([1.0] * 4)]
    one = sample(frames=10, stride=1, motion=motion)
    assert set(moving_starts(one, 1)) == {0, 1, 2, 3}
    refs = flat(plan_epoch([one], 0, config(clips_per_epoch=100), 1, share))
    assert {ref.start for ref in refs} == expected


def test_clips_of_a_classifier_lie_inside_or_begin_at_the_first_frame():
    assert list(clip_starts(sample(frames=10, stride=2), 0.5, 4)) == [0, 1, 2, 3]  # the last frame is 3 + 6 = 9
    assert list(clip_starts(sample(frames=7, stride=2), 0.5, 4)) == [0]
    assert list(clip_starts(sample(frames=3, stride=2), 0.5, 4)) == [0]


def test_held_out_clips_are_the_same_in_every_epoch_and_each_sample_comes_once():
    starts = partial(flow_starts, steps=3, moving_clips=0.5)
    plan = plan_held_out(SAMPLES, config(), starts)
    assert plan == plan_held_out(SAMPLES, config(), starts)
    assert [ref.sample for refs in plan for ref in refs] == list(range(9))
    assert [len(refs) for refs in plan] == [2, 2, 2, 3]  # none alone: batch norm could not normalise it
    assert {(ref.crop_y, ref.crop_x, ref.flip) for refs in plan for ref in refs} == {(0.5, 0.5, False)}


@pytest.mark.parametrize(("fraction", "groups"), [(0.0, 0), (0.01, 1), (0.2, 1), (0.21, 2), (0.5, 3), (1.0, 4)])
def test_whole_groups_are_held_out_until_they_hold_the_fraction(fraction, groups):
    names = [f"subject-{i % 5}" for i in range(50)]
    held_out = held_out_groups(names, fraction, 3)
    assert len(held_out) == groups
    assert held_out == held_out_groups(names, fraction, 3)
    assert len({held_out_groups(names, 0.2, seed) for seed in range(20)}) > 1


def test_a_single_group_is_never_held_out():
    assert held_out_groups(["a"] * 9, 0.5, 0) == frozenset()


def test_shares_of_a_step_must_be_even():
    require_even_share(config(), 2)
    with pytest.raises(MotionpipeError, match="choose --workers 0 or 1 or 2"):
        require_even_share(config(), 3)


def test_motion_between_the_two_frames_counts_where_it_is_predicted():
    motion = np.array([9, 1, 2, 2, 2, 2, 2, 2], np.float32)
    one = TrainSample(0, "a", "a", "g", 9, 1, motion)
    assert 0 in moving_starts(one, 1, from_pair=True)
    assert 0 not in moving_starts(one, 1)
