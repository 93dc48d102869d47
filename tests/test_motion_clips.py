from collections import Counter

import numpy as np
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.motion_clips import draw_motion_clips


def samples_of(per_class, frames=20, stride=1):
    return [
        TrainSample(0, f"{label}-{n:02d}", f"{label}-{n:02d}", "", frames, stride, np.zeros(0, np.float32), label)
        for label, count in enumerate(per_class)
        for n in range(count)
    ]


def names(samples, refs):
    return [(samples[ref.sample].key, ref.start) for ref in refs]


def test_classes_take_turns_and_every_recording_comes_once():
    samples = samples_of([10, 2, 10])
    refs = draw_motion_clips(samples, 12, 8, seed=0)
    assert Counter(samples[ref.sample].label for ref in refs) == {0: 5, 1: 2, 2: 5}
    assert len({ref.sample for ref in refs}) == 12
    assert [samples[ref.sample].key for ref in refs] == sorted(samples[ref.sample].key for ref in refs)
    assert len(draw_motion_clips(samples, 1000, 8, seed=0)) == 22
    assert all((ref.crop_y, ref.crop_x, ref.flip) == (0.5, 0.5, False) for ref in refs)


def test_the_draw_follows_from_the_seed_and_not_from_the_order_of_the_samples():
    samples = samples_of([10, 10])
    drawn = names(samples, draw_motion_clips(samples, 6, 8, seed=3))
    assert names(samples[::-1], draw_motion_clips(samples[::-1], 6, 8, seed=3)) == drawn
    assert names(samples, draw_motion_clips(samples, 6, 8, seed=4)) != drawn


def test_starts_leave_room_for_the_frame_after_the_clip():
    starts = {ref.start for seed in range(40) for ref in draw_motion_clips(samples_of([3], 12), 9, 8, seed)}
    assert starts == {0, 1, 2, 3}
    apart = {ref.start for seed in range(40) for ref in draw_motion_clips(samples_of([3], 12, 5), 9, 2, seed)}
    assert apart == {0, 1}
    assert draw_motion_clips(samples_of([3], 8), 9, 8, seed=0) == []


def test_of_segments_of_one_recording_one_takes_part():
    parts = [TrainSample(0, f"a-s{n:02d}", "a", "", n * 10, 1, np.zeros(0, np.float32), 0) for n in range(3)]
    refs = draw_motion_clips(parts, 9, 8, seed=0)
    assert [parts[ref.sample].key for ref in refs] == ["a-s01"]
