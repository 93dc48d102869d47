from fractions import Fraction

import pytest
from motionpipe.pipeline.decode_contract import (
    gaps_of,
    long_step_us,
    runs_of,
    schedule_by_numbers,
    schedule_by_order,
    schedule_by_times,
)

MS = Fraction(1, 1000)
EVEN = list(range(0, 1000, 40))


def test_even_times():
    schedule = schedule_by_times([time + 500 for time in EVEN], MS)
    assert schedule.times_us == tuple(time * 1000 for time in EVEN)
    assert schedule.slots == tuple(range(25))
    assert (schedule.start_us, schedule.step_us, schedule.jitter_us, schedule.constant_rate) == (
        500_000,
        40_000,
        0,
        True,
    )
    assert (schedule.demuxed, schedule.total, schedule.expected, schedule.promise) == (25, 25, None, None)


def test_jitter_is_the_spread_of_the_steps():
    times = [0, 42, 80, 122, 160, 202, 240]
    schedule = schedule_by_times(times, MS)
    assert (schedule.step_us, schedule.constant_rate) == (40_000, True)
    assert schedule.jitter_us == pytest.approx(2000, rel=0.02)
    assert schedule.slots == tuple(range(7))


def test_a_long_step_of_an_even_stream_has_lost_frames():
    times = [time for time in EVEN if time not in (400, 440, 480)]
    schedule = schedule_by_times(times, MS)
    assert (schedule.demuxed, schedule.total, schedule.expected) == (22, 25, None)
    assert runs_of(schedule.slots, 0, schedule.total) == [(10, 3)]
    assert gaps_of(schedule.slots, schedule.times_us, 0, 25, long_step_us(schedule)) == [(9, 3, 160_000)]


def test_a_long_step_that_an_index_lists_is_a_pause():
    times = [time for time in EVEN if time not in (400, 440, 480)]
    schedule = schedule_by_times(times, MS, promised=22, promise="index")
    assert (schedule.total, schedule.expected) == (22, 22)
    assert gaps_of(schedule.slots, schedule.times_us, 0, 22, long_step_us(schedule)) == [(9, 0, 160_000)]


def test_a_long_step_of_an_uneven_stream_means_nothing():
    schedule = schedule_by_times([0, 33, 66, 400, 433, 900], MS)
    assert (schedule.constant_rate, schedule.total, long_step_us(schedule)) == (False, 6, None)


@pytest.mark.parametrize(("stated_ms", "total"), [(1000, 25), (1040, 25), (1079, 25), (1200, 30), (2000, 50)])
def test_a_stated_duration_shows_a_cut_end(stated_ms, total):
    schedule = schedule_by_times(EVEN, MS, stated_end=Fraction(stated_ms, 1000))
    assert (schedule.total, schedule.promise, schedule.expected) == (total, "duration", total)


def test_a_cut_single_frame_is_known_by_the_stated_rate():
    schedule = schedule_by_times([0], MS, stated_end=Fraction(2), rate=Fraction(30))
    assert (schedule.demuxed, schedule.expected) == (1, 60)


def test_an_index_may_know_better():
    schedule = schedule_by_times([0, 1, 2], Fraction(1, 10), [(0, 0), (1, 2), (3, 4)], promised=5, promise="index")
    assert (schedule.slots, schedule.times_us) == ((0, 1, 3), (0, 200_000, 400_000))
    assert (schedule.total, schedule.find(1), schedule.find(7), schedule.find(None)) == (5, 1, None, None)


def test_steps_below_a_microsecond_are_no_times():
    schedule = schedule_by_times([0, 1, 2], Fraction(1, 10**9))
    assert not schedule.has_times
    assert schedule.total == 3


@pytest.mark.parametrize(("promised", "total"), [(None, 60), (59, 60), (72, 72)])
def test_frames_without_times_come_in_order(promised, total):
    schedule = schedule_by_order(60, promised, promised and "header")
    assert (schedule.total, schedule.expected, schedule.slots) == (total, promised and total, ())


@pytest.mark.parametrize(
    ("numbers", "slots", "total"),
    [
        ([1, 2, 3], (0, 1, 2), 3),
        ([0, 1, 3], (0, 1, 3), 4),
        ([3, 4], (2, 3), 4),  # its first two are lost
        ([501, 503], (0, 2), 3),
    ],
)
def test_numbered_frames(numbers, slots, total):
    schedule = schedule_by_numbers(numbers)
    assert (schedule.slots, schedule.expected, schedule.promise) == (slots, total, "numbers")


def test_gaps_at_both_ends():
    assert gaps_of([4, 5, 8], [0, 10, 40], 2, 10, None) == [(-1, 2, None), (1, 2, 30), (2, 1, None)]
    assert gaps_of([4, 6], [None, None], 4, 7, None) == [(0, 1, None)]
    assert gaps_of([], [], 0, 3, None) == []


def test_runs():
    assert runs_of([2, 3, 6], 0, 9) == [(0, 2), (4, 2), (7, 2)]
    assert runs_of([], 3, 5) == [(3, 2)]
    assert runs_of([0, 1], 0, 2) == []
