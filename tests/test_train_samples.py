import numpy as np
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.train_samples import TrainSamples, samples_from_bytes, samples_to_bytes


def sample(number, pairs):
    motion = np.linspace(0, number, pairs, dtype=np.float32)
    return TrainSample(number, f"k{number}", f"r/{number}.avi", f"g{number // 2}", pairs + 2, 2, motion, number - 1)


def test_samples_survive_their_file():
    samples = TrainSamples([sample(0, 5), sample(1, 0)], [sample(2, 7)])
    again = samples_from_bytes(samples_to_bytes(samples))
    assert (len(again.learned), len(again.held_out)) == (2, 1)
    for a, b in zip([*samples.learned, *samples.held_out], [*again.learned, *again.held_out], strict=True):
        np.testing.assert_array_equal(a.motion, b.motion)
        assert a.motion.dtype == b.motion.dtype
        assert {n: v for n, v in vars(a).items() if n != "motion"} == {
            n: v for n, v in vars(b).items() if n != "motion"
        }
    assert samples_to_bytes(samples) == samples_to_bytes(again)
    empty = samples_from_bytes(samples_to_bytes(TrainSamples([], [])))
    assert (empty.learned, empty.held_out) == ([], [])


def test_groups_stay_on_one_side():
    split = TrainSamples.split([sample(n, 3) for n in range(10)], 0.3, 0)
    assert len(split.held_out) == 4
    assert not {s.group for s in split.learned} & {s.group for s in split.held_out}
    assert TrainSamples.split([sample(0, 3)], 0.0, 0).held_out == []
