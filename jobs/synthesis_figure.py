"""The picture of `predict` for CGM-Net: frames, what came after them, what was synthesised, and the motion maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ..pipeline import flow_pictures as fp
from ..pipeline.synthesised_clip import SynthesisedClip
from .figure_png import figure_png

_STYLE: Any = {"text.parse_math": False, "font.size": 9, "axes.titlesize": 9}
_TILE_IN, _DPI, _MOST_COLUMNS = 1.35, 100, 6
_ERROR_GAIN = 4
"""Differences are shown so many times as large, around grey."""


@dataclass(frozen=True)
class ShownSynthesis:
    """A synthesised clip and whose it is; step_ms: from frame to frame."""

    run: str
    key: str
    label: str
    step_ms: float
    clip: SynthesisedClip


def synthesis_png(shown: ShownSynthesis) -> bytes:
    """The picture as a PNG file: a column for each of a few frames, the last the one that the network never saw."""
    clip, rows = shown.clip, _rows(shown.clip)
    columns = shown_steps(len(clip.predicted))
    scale = _scale(clip.motion[columns])
    with matplotlib.rc_context(_STYLE):
        figure = Figure(
            figsize=((len(columns) + 0.9) * _TILE_IN, len(rows) * (_TILE_IN + 0.05) + 1.0), layout="constrained"
        )
        axes = figure.subplots(len(rows), len(columns), squeeze=False)
        for column, step in enumerate(columns):
            for row, (name, picture) in enumerate(rows.items()):
                axes[row, column].imshow(picture(clip, step, scale), interpolation="nearest")
                axes[row, column].set(xticks=[], yticks=[])
                if column == 0:
                    axes[row, column].set_ylabel(name)
            unseen = "\nnot seen" if step == len(clip.predicted) - 1 else ""
            axes[0, column].set_title(f"+{(step + 1) * shown.step_ms:.0f} ms{unseen}", fontsize=9)
            axes[-1, column].set_xlabel(f"ℓ1 {clip.l1[step]:.3f}\ncopying {clip.copy_l1[step]:.3f}")
        label = f" ({shown.label})" if shown.label else ""
        figure.suptitle(
            f"{shown.key}{label}\nrun {shown.run}, from frame {clip.start}; differences x{_ERROR_GAIN}, "
            f"maps in full colour at {scale:.2g} px",
            x=0.01,
            ha="left",
            fontsize=10,
        )
        return figure_png(figure, _DPI)


def shown_steps(steps: int) -> list[int]:
    """At most six steps, evenly spaced, always with the last."""
    places = np.round(np.linspace(0, steps - 1, min(steps, _MOST_COLUMNS)))
    return sorted({int(place) for place in places})


def _rows(clip: SynthesisedClip) -> dict[str, Any]:
    rows: dict[str, Any] = {
        "true": lambda clip, step, scale: clip.frames[step + 1],
        "synthesised": lambda clip, step, scale: clip.predicted[step],
        "difference": lambda clip, step, scale: _difference(clip.predicted[step], clip.frames[step + 1]),
        "left by copying": lambda clip, step, scale: _difference(clip.frames[step], clip.frames[step + 1]),
        "HR map": lambda clip, step, scale: fp.wheel_colours(clip.motion[step], scale),
    }
    if clip.motion_lr is not None:
        factor = clip.motion.shape[-1] / clip.motion_lr.shape[-1]
        rows["LR map"] = lambda clip, step, scale: fp.wheel_colours(clip.motion_lr[step] * factor, scale)
    return rows


def _difference(one: fp.Picture, other: fp.Picture) -> npt.NDArray[np.uint8]:
    """Signed differences of the colours around grey."""
    differing = one.astype(np.int16) - other.astype(np.int16)
    return np.clip(128 + _ERROR_GAIN * differing, 0, 255).astype(np.uint8)


def _scale(motion: npt.NDArray[np.float32]) -> float:
    """A round length that all but the fastest hundredth of the pixels stay below."""
    return fp.round_up(float(np.percentile(np.linalg.norm(motion, axis=1), 99)))
