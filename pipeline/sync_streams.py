"""Which frame of one stream belongs to each frame of another, where both span the same time at rates of their own."""

from __future__ import annotations

import numpy as np


def nearest_in_relative_time(count: int, other_count: int) -> list[int]:
    """For each of `count` frames the frame of the other stream that is nearest in time, both ends together.

    Frame i stands at i / (count - 1) of its recording; frames may repeat or be left out.

        depth 0   1   2   3   4
        RGB   0  1  2  3  4  5  6      [0, 2, 3, 4, 6]: halves go to the even frame
    """
    if count < 1 or other_count < 1:
        raise ValueError(f"both streams need frames, got {count} and {other_count}")
    return [int(number) for number in np.rint(np.linspace(0, other_count - 1, count))]
