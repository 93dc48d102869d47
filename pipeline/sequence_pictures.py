"""Pictures of what an LSTM makes of a sequence: rows of input, truth, reconstruction and future, and their animation.

As figures 5 and 6 of Srivastava et al. 2015: time runs to the right; below the true frames stand the reconstruction,
turned back into their order, and the predicted future.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""uint8 (T, H, W) or (T, H, W, 3)."""
_GAP = 2
_SPLIT = 6
_PAPER = 255


def sequence_rows(truth: Frames, made: dict[str, Frames], input_frames: int) -> Frames:
    """One image: the true frames, and below them what was made of them, each frame under its own.

    made: "reconstruction" (its frames in the order in which they came) and "future", as far as there are such.
    """
    rows = [_row(truth, input_frames)]
    for name, frames in made.items():
        first = input_frames if name == "future" else 0
        blank = np.full_like(truth, _PAPER)
        blank[first : first + len(frames)] = frames
        rows.append(_row(blank, input_frames))
    return _stacked(rows)


def sequence_animation(truth: Frames, made: dict[str, Frames], input_frames: int) -> list[Frames]:
    """Images to be shown one after the other: the truth on the left, beside it what was made for that moment.

    While the input runs that is the reconstruction (the input itself where there is none), then the future.
    """
    shown = truth.copy()
    for name, frames in made.items():
        first = input_frames if name == "future" else 0
        shown[first : first + len(frames)] = frames
    gap = np.full((len(truth), truth.shape[1], _SPLIT, *truth.shape[3:]), _PAPER, dtype=np.uint8)
    return list(np.concatenate([truth, gap, shown], axis=2))


def _row(frames: Frames, input_frames: int) -> Frames:
    """Frames side by side, with a wider gap where the input ends."""
    height = frames.shape[1]
    parts: list[Frames] = []
    for t, frame in enumerate(frames):
        if t:
            width = _SPLIT if t == input_frames else _GAP
            parts.append(np.full((height, width, *frames.shape[3:]), _PAPER, dtype=np.uint8))
        parts.append(frame)
    return np.concatenate(parts, axis=1)


def _stacked(rows: list[Frames]) -> Frames:
    gap = np.full((_GAP, *rows[0].shape[1:]), _PAPER, dtype=np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])
