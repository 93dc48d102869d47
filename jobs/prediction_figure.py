"""The picture of `predict`: two frames, the flow that followed, and the flow that the network expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..pipeline import flow_pictures as fp
from ..pipeline.pair_pictures import as_picture
from ..pipeline.predicted_flow import PredictedFlow
from .figure_png import figure_png

_STYLE: Any = {"text.parse_math": False, "font.size": 9, "axes.titlesize": 9}
_TILE_IN, _DPI = 1.35, 100


@dataclass(frozen=True)
class ShownPrediction:
    """A prediction and whose it is.

    step_ms: length of a step; unit: of the flow, m or px; from_pair: the first map is that between the two frames.
    """

    run: str
    key: str
    label: str
    step_ms: float
    unit: str
    from_pair: bool
    clip: PredictedFlow


def prediction_png(shown: ShownPrediction) -> bytes:
    """The picture as a PNG file: a column a step; rows: truth and prediction across the picture, then in depth."""
    clip = shown.clip
    has_away = clip.truth.shape[1] == 3
    rows, steps = 4 if has_away else 2, len(clip.truth)
    scale, scale_away = _scale(clip, slice(0, 2)), _scale(clip, slice(2, 3)) if has_away else 0.0
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=((steps + 1.4) * _TILE_IN, rows * (_TILE_IN + 0.12) + 0.75), layout="constrained")
        axes = figure.subplots(rows, steps + 1, squeeze=False)
        for step, (error, motion) in enumerate(clip.errors()):
            known = clip.known[step]
            for row, flow in enumerate((clip.truth, clip.predicted)):
                _tile(axes[row, step + 1], fp.wheel_colours(flow[step, :2], scale, known))
                if has_away:
                    _tile(axes[row + 2, step + 1], fp.diverging_colours(flow[step, 2], scale_away, known))
            axes[0, step + 1].set_title(f"+{(step + (not shown.from_pair)) * shown.step_ms:.0f} ms")
            if known.any():
                axes[1, step + 1].set_xlabel(f"error {_length(error, shown.unit)}\nof {_length(motion, shown.unit)}")
        _sides(axes, shown, scale, scale_away)
        label = f" ({shown.label})" if shown.label else ""
        figure.suptitle(
            f"{shown.key}{label}, run {shown.run}: frames {clip.start} and {clip.start + clip.stride}, and the "
            f"{steps} steps {'from the first' if shown.from_pair else 'after them'}",
            x=0.01,
            ha="left",
            fontsize=10,
        )
        return figure_png(figure, _DPI)


def _scale(clip: PredictedFlow, components: slice) -> float:
    """A round length that all but the fastest hundredth of the true cells stay below."""
    lengths = np.linalg.norm(clip.truth[:, components], axis=1)[clip.known]
    return fp.round_up(float(np.percentile(lengths, 99))) if len(lengths) else 1.0


def _sides(axes: Any, shown: ShownPrediction, scale: float, scale_away: float) -> None:
    """The first column: both frames, and under them the legends where there is room."""
    for row, frame in enumerate(shown.clip.frames):
        _tile(axes[row, 0], as_picture(frame)[0])
    axes[0, 0].set_title("two frames in")
    names = [f"true\nrim {_length(scale, shown.unit)}", "expected"]
    names += [f"true δz\n±{_length(scale_away, shown.unit)}", "expected δz"] if len(axes) == 4 else []
    for row, name in enumerate(names):
        axes[row, 1].set_ylabel(name)
    for row in range(2, len(axes)):
        axes[row, 0].axis("off")
    if len(axes) == 4:
        axes[2, 0].imshow(fp.wheel_legend(120), interpolation="bilinear")
        axes[3, 0].imshow(fp.diverging_legend(120, 16))
        axes[3, 0].set_title("towards … away", y=0.62)


def _tile(axes: Axes, picture: fp.Picture) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def _length(value: float, unit: str) -> str:
    return f"{1000 * value:.0f} mm" if unit == "m" else f"{value:.2g} px"
