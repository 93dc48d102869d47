"""Which clips the synthesis of frames is measured on: one of each recording, drawn by a seed alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .clip_plan import ClipRef, TrainSample


def draw_motion_clips(samples: Sequence[TrainSample], count: int, clip_frames: int, seed: int) -> list[ClipRef]:
    """At most `count` clips of `clip_frames` frames and the one after them, in the order of their names.

    Classes take turns, as far as they have recordings left that are long enough; of a recording that is cut into
    several samples the first long one counts. The order of the samples does not matter.
    """
    generator = np.random.default_rng([seed, 0xC11B])
    by_class: dict[int, list[int]] = {}
    seen = set[str]()
    for number in sorted(range(len(samples)), key=lambda number: samples[number].key):
        sample = samples[number]
        if _starts(sample, clip_frames) > 0 and sample.recording_id not in seen:
            seen.add(sample.recording_id)
            by_class.setdefault(sample.label, []).append(number)
    drawn = [
        (turn, label, members[place])
        for label, members in sorted(by_class.items())
        for turn, place in enumerate(generator.permutation(len(members)).tolist())
    ]
    chosen = sorted((number for _, _, number in sorted(drawn)[:count]), key=lambda number: samples[number].key)
    places = generator.random(len(chosen)).tolist()
    return [
        ClipRef(number, int(place * _starts(samples[number], clip_frames)), 0.5, 0.5, False)
        for number, place in zip(chosen, places, strict=True)
    ]


def _starts(sample: TrainSample, clip_frames: int) -> int:
    """First frames of whole clips with the frame after them; 0 or less where the recording is too short."""
    return sample.num_frames - clip_frames * sample.stride
