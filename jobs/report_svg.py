"""Figures as inlined SVG images that follow the page's light or dark colours; the same figure gives the same bytes."""

from __future__ import annotations

import base64
import io
import re
import warnings
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from .report_samples import Image

INK = "#0a0b0c"  # stands for the colour of the page's text
_THEME = "svg{color:#24292f}@media(prefers-color-scheme:dark){svg{color:#d4d8dd}}"
_STYLE: Any = {
    "svg.hashsalt": "motionpipe",
    "text.parse_math": False,  # class names may hold a dollar sign
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "grid.alpha": 0.15,
    "axes.grid": True,
    "axes.axisbelow": True,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
}


def page_style() -> AbstractContextManager[None]:
    """The look of all figures, for as long as the context lasts."""
    return matplotlib.rc_context(_STYLE)


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    layout = figure.get_layout_engine()
    assert isinstance(layout, ConstrainedLayoutEngine)
    layout.set(w_pad=0.08)
    return figure


def svg_image(figure: Figure) -> Image:
    """The drawn figure."""
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a class name may be in any script
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = _stable_ids(stream.getvalue()).replace(INK, "currentColor")
    text = text.replace("<defs>", f"<defs><style>{_THEME}</style>", 1)
    width, height = (round(float(side) * 96) for side in figure.get_size_inches())
    return Image(f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}", width, height)


def _stable_ids(svg: str) -> str:
    """Number the ids that matplotlib derives from memory addresses, so that the same figure gives the same bytes."""
    names: dict[str, str] = {}
    return re.sub(r"\b[mp][0-9a-f]{10}\b", lambda match: names.setdefault(match[0], f"id{len(names)}"), svg)
