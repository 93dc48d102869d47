"""Codebooks in the report: use, centres and fit, and a gallery of the codewords themselves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from ..schemas.codebook import Codebook
from .report_content import Book
from .report_samples import Image
from .report_svg import INK, empty_figure, page_style, svg_image

_BLUE, _ORANGE, _RED = "#3b82c4", "#e08a1e", "#d1495b"
_DIVERGING = LinearSegmentedColormap.from_list("towards-away", ["#2f74c0", "#9a9a9a", "#c8323c"])
_MOST_CENTRES = 512
_MOST_TILES = 128
_COLUMNS = 16


def codebook_figure(book: Book) -> Image:
    """How often codewords are used, where the centres lie, and how the fit went down."""
    with page_style():
        inertia = np.asarray(book.report["inertia"], dtype=np.float64)
        figure = empty_figure(11.5, 3.6)
        use, centres, fit = figure.subplots(1, 3, width_ratios=(1.45, 1.15, 1))
        _usage(use, book.codebook)
        _centres(centres, book)
        fit.set_visible(len(inertia) > 0)  # a grid is not fitted, and learned centres were fitted by their run
        fit.plot(np.arange(1, len(inertia) + 1), inertia, color=_BLUE, marker=".", markersize=3)
        fit.set(title="Fit", xlabel="Lloyd iteration", ylabel=f"inertia ({_flow_unit(book)}²)")
        fit.xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg_image(figure)


def codebook_gallery(book: Book) -> Image:
    """The codewords one by one, the most used first: an arrow in the picture plane on a disc whose area is its use.

    The colour of both is δz. Arrows have one scale, discs another: the largest is the most used codeword but zero.
    """
    order = np.argsort(-book.codebook.counts, kind="stable")[:_MOST_TILES]
    centres, share = book.codebook.centres[order], book.codebook.prior()[order]
    away = centres[:, 2] if centres.shape[1] == 3 else np.zeros(len(centres))
    colours = _DIVERGING((away / max(float(np.abs(away).max()), 1e-6) + 1) / 2)
    longest = max(float(np.linalg.norm(centres[:, :2], axis=1).max()), 1e-6)
    largest = max(float(np.delete(share, np.flatnonzero(order == 0)).max(initial=0)), 1e-9)
    rows = -(-len(order) // _COLUMNS)
    places = np.stack([np.arange(len(order)) % _COLUMNS, np.arange(len(order)) // _COLUMNS], axis=1)
    with page_style():
        figure = empty_figure(11.5, 0.8 * rows + 0.1)
        axes = figure.subplots()
        radii = 0.42 * np.sqrt(np.minimum(share / largest, 1))
        discs = [Circle((x, y), radius) for (x, y), radius in zip(places, radii, strict=True)]
        axes.add_collection(PatchCollection(discs, facecolors=colours, edgecolors="none", alpha=0.35))
        arrows = centres[:, :2] / longest * 0.44
        axes.quiver(
            *(places - arrows / 2).T,
            *arrows.T,
            color=colours,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.0022,
            minlength=0,
            zorder=3,
        )
        for (x, y), code, part in zip(places, order, share, strict=True):
            axes.text(x, y + 0.58, f"{code} · {100 * part:.2g} %", ha="center", va="center", fontsize=6)
        axes.set(xlim=(-0.55, _COLUMNS - 0.45), ylim=(rows - 0.3, -0.55), aspect="equal")
        axes.set_axis_off()
        return svg_image(figure)


def _usage(axes: Axes, book: Codebook) -> None:
    counts = np.maximum(book.counts, 0.5).astype(np.float64)  # the log axis ends below one cell
    edges = np.arange(book.size + 1) - 0.5
    axes.stairs(counts, edges, fill=True, baseline=0.5, color=_BLUE, label="codewords")
    axes.stairs(counts[:1], edges[:2], fill=True, baseline=0.5, color=_ORANGE)
    axes.plot(0, counts[0], linestyle="none", marker="D", markersize=5, color=_ORANGE, label="zero codeword")
    dead = np.flatnonzero(book.counts == 0)
    if len(dead):
        axes.plot(dead, np.full(len(dead), 0.7), linestyle="none", marker="x", color=_RED, label="dead")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else ""))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Use of the codewords", xlabel="codeword", ylabel="training cells (log)", xlim=(edges[0], edges[-1]))
    axes.legend(fontsize=8)


def _centres(axes: Axes, book: Book) -> None:
    """δx right, δy drawn downwards as in the picture; size by use, colour by δz."""
    order = np.argsort(-book.codebook.counts, kind="stable")[:_MOST_CENTRES]
    centres = book.codebook.centres[order] * book.factor
    clip = book.codebook.clip * book.factor
    share = np.sqrt(book.codebook.counts[order] / max(book.codebook.counts.max(), 1))
    away = centres[:, 2] if centres.shape[1] == 3 else np.zeros(len(centres))
    limit = max(float(np.abs(away).max()), 1e-6)
    colours = _DIVERGING((away / limit + 1) / 2)
    rays = np.stack([np.zeros_like(centres[:, :2]), centres[:, :2]], axis=1)
    axes.add_collection(
        LineCollection(list(rays), colors=colours, linewidths=1.2, alpha=0.5 if len(rays) <= 128 else 0.1)
    )
    dots = axes.scatter(
        centres[:, 0],
        centres[:, 1],
        s=10 + 110 * share,
        c=away,
        cmap=_DIVERGING,
        vmin=-limit,
        vmax=limit,
        edgecolors=INK,
        linewidths=0.4,
    )
    axes.add_patch(Rectangle((-clip[0], -clip[1]), 2 * clip[0], 2 * clip[1], fill=False, linestyle=":", color=INK))
    side = 1.12 * float(max(clip[0], clip[1]))
    axes.set(xlim=(-side, side), ylim=(side, -side), aspect="equal", title="Centres")
    axes.set(xlabel=f"δx right ({book.unit} a step)", ylabel=f"δy down ({book.unit} a step)")
    if centres.shape[1] == 3:
        bar = axes.figure.colorbar(dots, ax=axes, shrink=0.85)
        bar.set_label(f"δz: towards < 0 < away ({book.unit})")
        bar.outline.set_visible(False)


def _flow_unit(book: Book) -> str:
    return "m" if book.unit == "mm" else "px"
