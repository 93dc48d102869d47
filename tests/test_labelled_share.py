from collections import Counter

import numpy as np
import pytest
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.labelled_share import labelled_share


def samples_of(groups_per_class, group_size=3):
    keys = [
        (label, group, n)
        for label, groups in enumerate(groups_per_class)
        for group in range(groups)
        for n in range(group_size)
    ]
    return [
        TrainSample(0, f"{label}-{group}-{n}", f"{label}-{group}-{n}", f"{label}-{group}", 9, 1, np.zeros(0), label)
        for label, group, n in keys
    ]


def test_half_of_each_class_in_whole_groups():
    samples = samples_of([10, 4, 20])
    half = labelled_share(samples, 0.5, seed=0)
    assert Counter(sample.label for sample in half) == {0: 15, 1: 6, 2: 30}
    assert set(Counter(sample.group for sample in half).values()) == {3}
    assert [s.key for s in half] == [s.key for s in samples if s in half]


def test_the_draw_follows_from_the_seed():
    samples = samples_of([10, 10])
    keys = [{s.key for s in labelled_share(samples, 0.5, seed)} for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("share", [0.001, 0.34])
def test_every_class_keeps_a_group_and_groups_of_any_size_come_close(share):
    assert Counter(s.label for s in labelled_share(samples_of([3, 3]), share, seed=0)) == {0: 3, 1: 3}


def test_all_of_them_are_all():
    samples = samples_of([3, 2])
    assert labelled_share(samples, 1.0, seed=5) == samples
