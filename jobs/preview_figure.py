"""The picture of `flow --preview`: frames, arrows, directions, motion in depth, and where the flow counts."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from ..pipeline import flow_pictures as fp
from ..pipeline.pair_pictures import FlowPair, as_picture, frame_with_arrows, pair_scales
from ..schemas.recipe import FlowSection

_STYLE: Any = {"text.parse_math": False, "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left"}
_WIDTH_IN = 15.0
_DPI = 110
_COUNTS, _LOST, _UNKNOWN = "#e8f0e8", "#e08a1e", "#28282c"


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
    box = pair.pixel_box()
    height, width = (part.stop - part.start for part in box)
    panel_in = _WIDTH_IN / 3 - 0.7
    with matplotlib.rc_context(_STYLE):
        figure = Figure(
            figsize=(_WIDTH_IN, 2 * (min(panel_in * height / width, 7.5) + 0.65) + 0.7), layout="constrained"
        )
        (whole, second, arrows), (wheel, away, valid) = figure.subplots(2, 3)
        _whole_frame(whole, preview, box)
        picture = as_picture(preview.frames[1])[0]
        _show(second, picture[box], box, f"frame {preview.pair + preview.stride}")
        on = as_picture(preview.frames[0])[0]
        drawn, factor = frame_with_arrows(pair, on)
        _show(arrows, drawn, box, f"frame {preview.pair} and where its cells go, lengths ×{factor:g}")
        known = preview.valid[box]
        dense = preview.dense[(slice(None), *box)]
        _show(
            wheel,
            fp.wheel_colours(dense[:2], scale, known),
            box,
            f"(δx, δy) across the picture [{preview.unit} a step]",
        )
        _wheel_legend(wheel, scale, preview.unit)
        _depth_or_length(figure, away, preview, dense, known, box, scale if len(dense) == 2 else scale_away)
        _validity(valid, preview, box)
        figure.suptitle(f"{preview.title}\n{preview.figures}", x=0.01, ha="left", fontsize=10.5)
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a class name may be in any script
            figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def _whole_frame(axes: Axes, preview: Preview, box: tuple[slice, slice]) -> None:
    picture, note = as_picture(preview.frames[0])
    height, width = picture.shape[:2]
    _show(
        axes,
        picture,
        (slice(0, height), slice(0, width)),
        f"frame {preview.pair}" + (f", depth {note}" if note else ""),
    )
    rows, cols = box
    if (rows.stop - rows.start, cols.stop - cols.start) != (height, width):
        size = cols.stop - cols.start, rows.stop - rows.start
        axes.add_patch(Rectangle((cols.start - 0.5, rows.start - 0.5), *size, fill=False, edgecolor="#ff3fc8", lw=1.2))
        axes.text(
            cols.start,
            rows.start - 2,
            "shown at right and below",
            color="#ff3fc8",
            fontsize=8,
            va="bottom",
            clip_on=True,
        )


def _show(axes: Axes, picture: fp.Picture, box: tuple[slice, slice], title: str) -> None:
    """A picture of the pixels of a box, with their places in the frame along its sides."""
    rows, cols = box
    extent = (cols.start - 0.5, cols.stop - 0.5, rows.stop - 0.5, rows.start - 0.5)
    axes.imshow(picture, extent=extent, interpolation="nearest")
    axes.set_title(title)
    axes.tick_params(labelsize=7, length=2)


def _wheel_legend(axes: Axes, scale: float, unit: str) -> None:
    """The wheel in a corner, its rim's length beside it."""
    inset = axes.inset_axes((0.015, 0.015, 0.21, 0.21))
    legend = fp.wheel_legend(181)
    place = (np.arange(181) + 0.5) / 181 * 2 - 1
    inside = np.hypot(*np.meshgrid(place, place)) <= 1
    inset.imshow(np.dstack([legend, np.where(inside, 255, 0).astype(np.uint8)]), interpolation="bilinear")
    inset.set_aspect("equal", anchor="SW")
    inset.axis("off")
    inset.text(
        188,
        90,
        f"rim: {scale:.3g} {unit}",
        fontsize=8,
        va="center",
        bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5},
    )
    for x, y, text in ((90, 12, "up"), (90, 170, "down"), (14, 90, "left"), (168, 90, "right")):
        inset.text(x, y, text, fontsize=6, ha="center", va="center", color="#222")


def _depth_or_length(
    figure: Figure,
    axes: Axes,
    preview: Preview,
    dense: npt.NDArray[np.float32],
    known: npt.NDArray[np.bool_],
    box: tuple[slice, slice],
    scale: float,
) -> None:
    """δz of scene flow, or the length of optical flow, with a bar of its colours."""
    if len(dense) == 3:
        picture, title, low = fp.diverging_colours(dense[2], scale, known), "δz, blue towards, red away", -scale
        colours: Colormap = ListedColormap(fp.diverging_legend(256, 1)[0] / 255)
    else:
        length = np.hypot(dense[0], dense[1])
        colours, title, low = matplotlib.colormaps["magma"], "length of the motion", 0.0
        picture = np.rint(255 * colours(np.clip(length / scale, 0, 1))[..., :3]).astype(np.uint8)
        picture[~known] = fp.UNKNOWN_GREY
    _show(axes, picture, box, f"{title} [{preview.unit} a step]")
    figure.colorbar(
        ScalarMappable(Normalize(low, scale), colours),
        ax=axes,
        shrink=0.85,
        pad=0.015,
        extend="max" if low == 0 else "both",
    )


def _validity(axes: Axes, preview: Preview, box: tuple[slice, slice]) -> None:
    """Pixels whose flow counts, those measured whose flow does not, and those without a measurement."""
    valid, measured = preview.valid[box], preview.measured[box]
    colours = np.rint(255 * np.array([to_rgb(colour) for colour in (_UNKNOWN, _LOST, _COUNTS)])).astype(np.uint8)
    picture = colours[measured.astype(int) + (measured & valid)]
    share = 100 * preview.valid.mean()
    _show(axes, picture, box, f"valid flow: {share:.1f} % of the frame")
    depth = len(preview.dense) == 3
    entries = [(_COUNTS, "counts"), (_LOST, "measured, does not count")] + ([(_UNKNOWN, "no depth")] if depth else [])
    handles = [Patch(facecolor=colour, edgecolor="#777", label=text) for colour, text in entries]
    axes.legend(handles=handles, loc="lower left", fontsize=7.5, framealpha=0.9)
