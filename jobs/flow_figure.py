"""Flow of several methods beside each other, in the colours of Middlebury's wheel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ..pipeline.flow_pictures import round_up, wheel_colours, wheel_legend
from .figure_png import figure_png

_STYLE: Any = {"text.parse_math": False, "font.size": 9, "axes.titlesize": 9, "axes.titlelocation": "left"}
_CELL_IN = 2.4


@dataclass(frozen=True)
class FlowRow:
    """A pair: its first frame uint8 (H, W, 3), and its flow float32 (2, H, W) by methods, the same in each row."""

    title: str
    frame: npt.NDArray[np.uint8]
    flows: dict[str, npt.NDArray[np.float32]]

    @property
    def scale(self) -> float:
        """A round length that few pixels of any method exceed [px]."""
        return round_up(float(np.percentile([np.hypot(*flow) for flow in self.flows.values()], 98)))


def shortened(name: str, most: int) -> str:
    """The name, or its beginning and an ellipsis where it is longer than so many characters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def flow_figure(rows: list[FlowRow]) -> bytes:
    """A PNG: a row for each pair, the frame and the flow of each method; one scale a row."""
    methods = list(rows[0].flows)
    with matplotlib.rc_context(_STYLE):
        size = (_CELL_IN * (1 + len(methods)), 0.9 * _CELL_IN * len(rows) + 0.3)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(rows), 1 + len(methods), squeeze=False)
        for row, across in zip(rows, axes, strict=True):
            pictures = [row.frame, *(wheel_colours(flow, row.scale) for flow in row.flows.values())]
            titles = [row.title, f"{shortened(methods[0], 30)}\nfull colour: {row.scale:g} px", *methods[1:]]
            for axis, picture, title in zip(across, pictures, titles, strict=True):
                axis.imshow(picture)
                axis.set_title(title)
                axis.set_axis_off()
        legend = axes[0][-1].inset_axes((0.82, 0.72, 0.18, 0.26))
        legend.imshow(wheel_legend(64))
        legend.set_axis_off()
        return figure_png(figure, 100)
