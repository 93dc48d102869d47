"""The decode contract: which frames a file promises, which of them came out, and how evenly; arithmetic alone.

Every coded frame that a file should hold has a *slot*, counted from 0 in order of presentation:

    file promises  0 1 2 3 4 5 6 7 8 9     expected = 10
    demuxer finds  0 1 2 3   5 6 7 8       demuxed  = 8   (slot 4 lost in the middle, slot 9 cut off)
    decoder gives  0 1 2       6 7 8       decoded  = 6   (packets 3 and 5 could not be decoded)
    gaps           after frame 2: 3 missing; after frame 5: 1 missing (the end)

What a promise is worth depends on the container, so the contract says where it comes from:

    index     MP4/MOV sample tables and AVI indices list each coded frame (an AVI's empty chunks repeat the frame before
              them and are no frames)
    header    an AVI without its index, as a cut one is: the number of chunks that its header states
    duration  Matroska's statistics tag: the stated duration; up to two frames less are rounding, not loss
    numbers   depth images: the numbers in their names, from the first to the last
    null      nothing is promised (transport streams, GIF, live recordings): a cut end cannot be noticed

Without an index a stream of constant rate shows by a long step what it lost in the middle; one of variable rate cannot.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median, pstdev
from typing import Literal

Promise = Literal["index", "header", "duration", "numbers"]
_LONG_STEP = 1.5  # of the median
_EVEN_STEPS = 0.9  # so many steps near the median make a constant rate
_ROUNDING_FRAMES = 2.0  # stated durations of whole files are wrong by less
_LATEST_FIRST_NUMBER = 10


@dataclass(frozen=True)
class Schedule:
    """The frames that a stream holds: where each belongs, and when it is shown."""

    demuxed: int
    """Coded frames that the demuxer found."""
    total: int
    """Frames that there should be: slots 0 … total - 1."""
    promise: Promise | None
    """What says so; None where it is only the demuxer."""
    marks: tuple[int, ...] = ()
    """Presentation timestamps of the found frames in the file's units, increasing; empty where they are of no use."""
    slots: tuple[int, ...] = ()
    """Slot of each mark."""
    times_us: tuple[int, ...] = ()
    """Time of each mark from the first [µs]; empty where the file has no presentation times."""
    start_us: int | None = None
    """Presentation time of the first frame as the file has it [µs]."""
    step_us: int | None = None
    """Median step [µs]."""
    jitter_us: float | None = None
    """Standard deviation of the steps around it, long ones left out [µs]."""
    constant_rate: bool | None = None
    """Whether nearly all steps are alike."""

    @property
    def has_times(self) -> bool:
        """Whether frames are placed by their presentation times; else by the order in which they come."""
        return bool(self.times_us)

    @property
    def expected(self) -> int | None:
        """Frames that the file promises, if it does."""
        return self.total if self.promise else None

    def find(self, mark: int | None) -> int | None:
        """Position of a timestamp among `marks`, if it is one of them."""
        if mark is None:
            return None
        position = bisect_left(self.marks, mark)
        return position if position < len(self.marks) and self.marks[position] == mark else None


def schedule_by_times(
    marks: Sequence[int],
    time_base: Fraction,
    places: Sequence[tuple[int, int]] | None = None,
    *,
    promised: int | None = None,
    promise: Promise | None = None,
    stated_end: Fraction | None = None,
    rate: Fraction | None = None,
) -> Schedule:
    """Frames placed by increasing presentation timestamps `marks`, in units of `time_base` seconds.

    `places` gives (slot, true timestamp) of each where an index knows better; `promised` is the number of frames that
    index or header list; `stated_end` [s] is where the file says that the video ends, on the clock of the marks, and
    `rate` [1/s] how many frames a second it states.
    """
    stamps = [stamp for _, stamp in places] if places else list(marks)
    times = tuple(round((stamp - stamps[0]) * time_base * 1_000_000) for stamp in stamps)
    if any(a >= b for a, b in itertools.pairwise(times)):  # steps below a microsecond
        return schedule_by_order(len(marks), promised, promise)
    step, jitter, constant = _evenness(times)
    if places:
        slots = tuple(slot for slot, _ in places)
    else:
        slots = _slots_by_step(times, step) if constant and step and promise != "index" else tuple(range(len(marks)))
    total = max(slots[-1] + 1, promised or 0)
    usual = step or (float(1_000_000 / rate) if rate else None)
    if stated_end is not None and usual:
        cut = (float(stated_end - stamps[0] * time_base) * 1_000_000 - times[-1]) / usual - 1
        promise = "duration"
        total += round(cut) if cut > _ROUNDING_FRAMES else 0
    return Schedule(
        demuxed=len(marks),
        total=total,
        promise=promise,
        marks=tuple(marks),
        slots=slots,
        times_us=times,
        start_us=round(stamps[0] * time_base * 1_000_000),
        step_us=step,
        jitter_us=jitter,
        constant_rate=constant,
    )


def schedule_by_order(demuxed: int, promised: int | None, promise: Promise | None) -> Schedule:
    """Frames that have no usable timestamps: the i-th that is decoded has slot i."""
    return Schedule(demuxed=demuxed, total=max(demuxed, promised or 0), promise=promise)


def schedule_by_numbers(numbers: Sequence[int]) -> Schedule:
    """Frames whose file names number them; one that starts at 2 … 10 has lost its first ones."""
    first = numbers[0] if numbers[0] > _LATEST_FIRST_NUMBER else min(1, numbers[0])
    slots = tuple(number - first for number in numbers)
    return Schedule(len(numbers), slots[-1] + 1, "numbers", tuple(numbers), slots)


def _evenness(times: Sequence[int]) -> tuple[int | None, float | None, bool | None]:
    """Median step, jitter, and whether the rate is constant; None where there are too few frames."""
    steps = [b - a for a, b in itertools.pairwise(times)]
    if not steps:
        return None, None, None
    middle = median(steps)
    near = [step for step in steps if middle / _LONG_STEP <= step <= middle * _LONG_STEP]
    jitter = pstdev([step - middle for step in near]) if near else 0.0
    return round(middle), round(jitter, 1), len(near) >= _EVEN_STEPS * len(steps)


def _slots_by_step(times: Sequence[int], step: int) -> tuple[int, ...]:
    """Slots of frames of constant rate: a long step has lost frames inside."""
    slots = [0]
    for earlier, later in itertools.pairwise(times):
        ratio = (later - earlier) / step
        slots.append(slots[-1] + (round(ratio) if ratio > _LONG_STEP else 1))
    return tuple(slots)


Gap = tuple[int | None, int, int | None]
"""(number of the stored frame before it, or -1 before the first, None where unknown; frames missing; step [µs])."""


def gaps_of(
    slots: Sequence[int], times_us: Sequence[int | None], begin: int, end: int, long_us: float | None
) -> list[Gap]:
    """Gaps between stored frames whose slots lie in begin … end - 1; `long_us`: longer steps are listed in any case."""
    gaps: list[Gap] = []
    if slots and slots[0] > begin:
        gaps.append((-1, slots[0] - begin, None))
    for i in range(len(slots) - 1):
        missing, (before, after) = slots[i + 1] - slots[i] - 1, times_us[i : i + 2]
        step = None if before is None or after is None else after - before
        if missing or (long_us is not None and step is not None and step > long_us):
            gaps.append((i, missing, step))
    if slots and slots[-1] + 1 < end:
        gaps.append((len(slots) - 1, end - slots[-1] - 1, None))
    return gaps


def runs_of(slots: Sequence[int], begin: int, end: int) -> list[tuple[int, int]]:
    """(first, length) of each run of slots in begin … end - 1 that are not among the increasing `slots`."""
    edges = [begin - 1, *slots, end]
    return [(a + 1, b - a - 1) for a, b in itertools.pairwise(edges) if b - a > 1]


def long_step_us(schedule: Schedule) -> float | None:
    """Steps longer than this are gaps of a stream of constant rate [µs]."""
    return schedule.step_us * _LONG_STEP if schedule.constant_rate and schedule.step_us else None
