"""The picture of `flow --preview`: frames, arrows, directions, motion in depth, and where the flow counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from ..pipeline import flow_pictures as fp
from ..pipeline.pair_pictures import FlowPair, as_picture, frame_with_arrows, in_pixels, pair_scales, widened
from ..schemas.flow_section import FlowSection
from .figure_png import figure_png

_STYLE: Any = {"text.parse_math": False, "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left"}
_WIDTH_IN = 15.0
_DPI = 110
_NARROWEST = 0.75
_ARROWS_SIDE, _MOST_ARROWS = 900, 32
_RESIDUAL_GREY = 60.0
_FRAME = "#d6249f"
_COUNTS, _LOST, _UNKNOWN = "#e8f0e8", "#e08a1e", "#28282c"


_Box = tuple[slice, slice]


@dataclass(frozen=True)
class Preview:
    """One pair of a sample and its flow.

    frames: first and second, uint8 (2, H, W, 3) or uint16 (2, H, W) in millimetres; dense: float32 (C, H, W) and valid:
    bool (H, W), every pixel's flow; shown: the same on the cells. brightness: what scene flow asked constancy of.
    """

    key: str
    label: str
    config: FlowSection
    brightness: str | None
    pair: int
    stride: int
    step_ms: float
    seconds: float
    frames: npt.NDArray[Any]
    dense: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    shown: FlowPair

    @property
    def unit(self) -> str:
        """That of the flow, a step."""
        return "m" if len(self.dense) == 3 else "px"

    @property
    def title(self) -> str:
        """What is shown, in a line."""
        label = f" ({self.label})" if self.label else ""
        config = self.config
        how = [config.method] + ([f"brightness {self.brightness}"] if self.brightness else [])
        changed = config.model_dump(exclude={"method", "intensity"}, exclude_defaults=True)
        how += [
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in changed.items()
        ]
        step = f"frames {self.pair} and {self.pair + self.stride}, {self.step_ms:.0f} ms"
        return f"{self.key}{label}: {step}; {', '.join(how)}"

    @property
    def figures(self) -> str:
        """How the pair moves, in a line."""
        lengths = self.shown.lengths()
        if not len(lengths):
            return f"no cell is valid; {self.seconds:.2f} s"
        mean, fast, largest = float(lengths.mean()), float(np.percentile(lengths, 99)), float(lengths.max())
        measured = self.measured
        return (
            f"cells move {mean:.3g} {self.unit} a step on average, 99 % at most {fast:.3g}, the fastest {largest:.3g}; "
            f"{100 * self.valid[measured].mean():.1f} % of the pixels with a measurement are valid; "
            f"{self.seconds:.2f} s"
        )

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Pixels (H, W) of which something is known: depth, or all of an RGB frame."""
        frame = self.shown.frame
        return np.asarray(frame > 0 if frame.dtype == np.uint16 else np.ones(frame.shape[:2]), dtype=np.bool_)


def preview_png(preview: Preview) -> bytes:
    """The picture as a PNG file; the same preview gives the same bytes but for its time."""
    pair = preview.shown
    scale, scale_away = pair_scales([pair])
    cells = widened(pair.box, pair.known.shape, _NARROWEST)
    box = in_pixels(cells, pair.cell)
    height, width = (part.stop - part.start for part in box)
    rows_in = min((_WIDTH_IN / 3 - 1.1) * height / width, 6.0) + 0.75
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, 2 * rows_in + 0.5), layout="constrained")
        (whole, second, arrows), (wheel, along, counts) = figure.subplots(2, 3)
        first_picture, second_picture = (as_picture(frame)[0] for frame in preview.frames)
        _whole_frame(whole, preview, box)
        _show(second, second_picture[box], box, f"frame {preview.pair + preview.stride}")
        drawn, factor = frame_with_arrows(pair, cells, first_picture, _ARROWS_SIDE, _MOST_ARROWS)
        _show(arrows, drawn, box, f"frame {preview.pair} and where its cells go, lengths ×{factor:g}")
        dense, known = preview.dense[(slice(None), *box)], preview.valid[box]
        colours = fp.wheel_colours(dense[:2], scale, known)
        _show(wheel, colours, box, f"(δx, δy) across the picture [{preview.unit} a step]")
        _wheel_legend(wheel, scale, preview.unit)
        if len(dense) == 3:
            _away(along, dense[2], known, box, scale_away)
            _validity(counts, preview, box)
        else:
            _length(along, dense, known, box, scale)
            _residual(counts, preview, box)
        figure.suptitle(f"{preview.title}\n{preview.figures}", x=0.01, ha="left", fontsize=10.5)
        return figure_png(figure, _DPI)


def _whole_frame(axes: Axes, preview: Preview, box: _Box) -> None:
    picture, note = as_picture(preview.frames[0])
    height, width = picture.shape[:2]
    title = f"frame {preview.pair}" + (f", depth {note}" if note else "")
    _show(axes, picture, (slice(0, height), slice(0, width)), title)
    rows, cols = box
    size = cols.stop - cols.start, rows.stop - rows.start
    if size != (width // preview.shown.cell * preview.shown.cell, height // preview.shown.cell * preview.shown.cell):
        axes.add_patch(Rectangle((cols.start - 0.5, rows.start - 0.5), *size, fill=False, edgecolor=_FRAME, lw=1.4))
        axes.set_xlabel("the frame marks what the other panels show", color=_FRAME, fontsize=8.5, loc="left")


def _show(axes: Axes, picture: fp.Picture, box: _Box, title: str) -> None:
    """A picture of the pixels of a box, with their places in the frame along its sides."""
    rows, cols = box
    extent = (cols.start - 0.5, cols.stop - 0.5, rows.stop - 0.5, rows.start - 0.5)
    axes.imshow(picture, extent=extent, interpolation="nearest")
    axes.set_title(title)
    axes.set_anchor("N")
    axes.tick_params(labelsize=7, length=2)


def _wheel_legend(axes: Axes, scale: float, unit: str) -> None:
    """The wheel beside the map, with the length of its rim."""
    inset = axes.inset_axes((1.05, 0.62, 0.2, 0.3))
    place = (np.arange(181) + 0.5) / 181 * 2 - 1
    inside = np.hypot(*np.meshgrid(place, place)) <= 1
    wheel = np.dstack([fp.wheel_legend(181), np.where(inside, 255, 0).astype(np.uint8)])
    inset.imshow(wheel, interpolation="bilinear")
    inset.axis("off")
    for x, y, text in (
        (90, -16, "up"),
        (90, 197, "down"),
        (90, 252, f"rim {scale:.3g} {unit}"),
        (90, 307, "grey: not"),
    ):
        inset.text(x, y, text, fontsize=8, ha="center", va="center")
    inset.text(90, 345, "valid", fontsize=8, ha="center", va="center")


def _away(axes: Axes, away: npt.NDArray[np.float32], known: npt.NDArray[np.bool_], box: _Box, scale: float) -> None:
    """δz of scene flow."""
    _show(axes, fp.diverging_colours(away, scale, known), box, "δz, blue towards, red away [m a step]")
    _bar(axes, ListedColormap(fp.diverging_legend(256, 1)[0] / 255), (-scale, scale), "both")


def _length(axes: Axes, flow: npt.NDArray[np.float32], known: npt.NDArray[np.bool_], box: _Box, scale: float) -> None:
    """Length of optical flow."""
    _show(axes, _mapped(np.hypot(*flow), scale, known, "magma"), box, "length of the motion [px a step]")
    _bar(axes, matplotlib.colormaps["magma"], (0, scale), "max")


def _validity(axes: Axes, preview: Preview, box: _Box) -> None:
    """Pixels whose flow counts, those measured whose flow does not, and those without a measurement."""
    valid, measured = preview.valid[box], preview.measured[box]
    colours = np.rint(255 * np.array([to_rgb(colour) for colour in (_UNKNOWN, _LOST, _COUNTS)])).astype(np.uint8)
    picture = colours[measured.astype(int) + (measured & valid)]
    _show(axes, picture, box, f"valid flow: {100 * preview.valid.mean():.1f} % of the frame")
    entries = [(_COUNTS, "counts"), (_LOST, "measured, does not count"), (_UNKNOWN, "no depth")]
    handles = [Patch(facecolor=colour, edgecolor="#777", label=text) for colour, text in entries]
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, -0.05), ncols=3, fontsize=8, frameon=False, borderpad=0
    )


def _residual(axes: Axes, preview: Preview, box: _Box) -> None:
    """What optical flow leaves unexplained: the second frame where the flow looks for a pixel, against that pixel."""
    first, second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in preview.frames)
    rows, cols = np.mgrid[: first.shape[0], : first.shape[1]].astype(np.float32)
    moved = cv2.remap(
        second, cols + preview.dense[0], rows + preview.dense[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    left, still = np.abs(moved - first), np.abs(second - first)
    valid = preview.valid
    picture = _mapped(left[box], _RESIDUAL_GREY, valid[box], "gray_r")
    means = (float(image[valid].mean()) if valid.any() else 0.0 for image in (left, still))
    title = "grey levels left: {:.1f} of {:.1f}".format(*means)
    _show(axes, picture, box, title + ("" if valid.all() else f"; {100 * valid.mean():.1f} % valid"))
    _bar(axes, matplotlib.colormaps["gray_r"], (0, _RESIDUAL_GREY), "max")


def _mapped(
    values: npt.NDArray[np.float32], scale: float, known: npt.NDArray[np.bool_], colours: str
) -> npt.NDArray[np.uint8]:
    """0 to scale in the colours of a map; grey, or blue where the map is grey itself, where not known."""
    picture: npt.NDArray[np.uint8] = np.rint(
        255 * matplotlib.colormaps[colours](np.clip(values / scale, 0, 1))[..., :3]
    ).astype(np.uint8)
    picture[~known] = (120, 150, 200) if "gray" in colours else fp.UNKNOWN_GREY
    return picture


def _bar(axes: Axes, colours: Colormap, span: tuple[float, float], extend: str) -> None:
    figure = axes.figure
    assert figure is not None
    figure.colorbar(
        ScalarMappable(Normalize(*span), colours),
        ax=axes,
        shrink=0.8,
        pad=0.02,
        extend=extend,
        aspect=28,
        panchor=False,
    )
