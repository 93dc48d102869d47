"""Curves, bars and matrices of the report as SVG images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .report_content import ConfusionPair, Run
from .report_samples import Image
from .report_svg import INK, empty_figure, page_style, svg_image

BLUE, ORANGE, GREEN, _RED, _PURPLE = "#3b82c4", "#e08a1e", "#2a9d6f", "#d1495b", "#a07ed6"
_SHARES = LinearSegmentedColormap.from_list("shares", [(0.23, 0.51, 0.77, 0.0), (0.10, 0.36, 0.66, 1.0)])
_MOST_POINTS = 400
_FEW_CLASSES = 20


def run_figure(run: Run) -> Image:
    """Loss, accuracy, speed and learning rate over the steps of a run."""
    if run.artefact.identity.data["model"] == "cgm-net":
        return _synthesis_figure(run)
    rows = run.rows
    steps = np.array([row["step"] for row in rows])
    with page_style():
        figure = empty_figure(11.5, 3.2)
        loss, accuracy, speed = figure.subplots(1, 3, width_ratios=(1.3, 1.3, 1))
        tuned = run.artefact.identity.stage == "finetune"
        curve(loss, steps, column(rows, "loss"), BLUE, "training" if tuned else "weighted")
        curve(accuracy, steps, column(rows, "accuracy"), BLUE, "training" if tuned else "all cells")
        if not tuned:
            curve(loss, steps, column(rows, "unweighted"), ORANGE, "unweighted")
            curve(accuracy, steps, column(rows, "moving_accuracy"), ORANGE, "moving cells")
        held_out(loss, rows, "held_out_loss")
        held_out(accuracy, rows, "held_out_accuracy")
        if run.num_codes:
            reference(loss, math.log(run.num_codes), f"ln K = {math.log(run.num_codes):.2f}")
            reference(accuracy, 1 / run.num_codes, f"1/K = {1 / run.num_codes:.3f}")
        curve(speed, steps, column(rows, "clips_per_s"), GREEN, "clips/s")
        unit = "clip" if tuned else "cell"
        loss.set(title="Cross-entropy", xlabel="step", ylabel=f"nats a {unit}")
        accuracy.set(title="Accuracy", xlabel="step", ylabel=f"share of {unit}s right", ylim=(0, None))
        speed.set(title="Speed and learning rate", xlabel="step", ylabel="clips a second", ylim=(0, None))
        learning_rate(speed, steps, column(rows, "learning_rate"))
        legend_above(loss)
        legend_above(accuracy)
        return svg_image(figure)


def _synthesis_figure(run: Run) -> Image:
    """Errors of the synthesised frames, accuracy of the classes, as far as there are both, and speed."""
    rows = run.rows
    steps = np.array([row["step"] for row in rows])
    errors = {"hr": (BLUE, "all frames"), "next": (ORANGE, "the unseen one"), "copy": (_RED, "copying")}
    shown = {name: style for name, style in errors.items() if name in rows[0]}
    classifies = "accuracy" in rows[0]
    with page_style():
        figure = empty_figure(11.5, 3.2)
        panels = list(figure.subplots(1, 1 + bool(shown) + classifies, squeeze=False)[0])
        speed = panels.pop()
        if shown:
            axes = panels.pop(0)
            for name, (colour, label) in shown.items():
                curve(axes, steps, column(rows, name), colour, label)
            held_out(axes, rows, "held_out_hr")
            axes.set(title="Synthesised frames", xlabel="step", ylabel="error, pixels in [-1, 1]", ylim=(0, None))
            legend_above(axes)
        if classifies:
            axes = panels.pop(0)
            curve(axes, steps, column(rows, "accuracy"), BLUE, "training")
            held_out(axes, rows, "held_out_accuracy")
            axes.set(title="Accuracy", xlabel="step", ylabel="share of clips right", ylim=(0, None))
            legend_above(axes)
        curve(speed, steps, column(rows, "clips_per_s"), GREEN, "clips/s")
        speed.set(title="Speed and learning rate", xlabel="step", ylabel="clips a second", ylim=(0, None))
        learning_rate(speed, steps, column(rows, "learning_rate"))
        return svg_image(figure)


def flow_run_figure(run: Run) -> Image:
    """Loss without truth, length of the flow, speed and learning rate over the steps of a run that estimates flow."""
    rows = run.rows
    steps = np.array([row["step"] for row in rows])
    with page_style():
        figure = empty_figure(11.5, 3.2)
        loss, motion, speed = figure.subplots(1, 3, width_ratios=(1.3, 1.3, 1))
        curve(loss, steps, column(rows, "loss"), BLUE, "weighted sum")
        curve(loss, steps, column(rows, "census"), ORANGE, "census")
        held_out(loss, rows, "held_out_loss")
        curve(motion, steps, column(rows, "motion"), BLUE, "training")
        held_out(motion, rows, "held_out_motion")
        curve(speed, steps, column(rows, "clips_per_s"), GREEN, "pairs/s")
        loss.set(title="Unsupervised loss", xlabel="step", ylabel="summed over levels")
        motion.set(title="Mean length of the flow", xlabel="step", ylabel="px of the frame", ylim=(0, None))
        speed.set(title="Speed and learning rate", xlabel="step", ylabel="pairs a second", ylim=(0, None))
        learning_rate(speed, steps, column(rows, "learning_rate"))
        legend_above(loss)
        return svg_image(figure)


def evaluation_figure(metrics: dict[str, Any]) -> Image:
    """Recall by class of a fine-tuned classifier."""
    return confusion_figure(ConfusionPair(metrics | {"embeddings": metrics["run"]}, None))


def confusion_figure(pair: ConfusionPair) -> Image:
    """Recall by class: the trained network's predictions, and the untrained one's beside them."""
    shown = [pair.trained] + ([pair.untrained] if pair.untrained else [])
    num_classes = len(pair.trained["classes"])
    side = min(5.0, 2.6 + 0.2 * num_classes)
    with page_style():
        figure = empty_figure(2.0 + side * len(shown), side + (1.0 if num_classes <= _FEW_CLASSES else 0.4))
        panels = figure.subplots(1, len(shown), squeeze=False)[0]
        for place, (axes, metrics) in enumerate(zip(panels, shown, strict=True)):
            _confusion(axes, metrics, with_names=place == 0)
        return svg_image(figure)


def legend_above(axes: Axes) -> None:
    """A legend in a row of its own at the top, where no curve is."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))
    axes.legend(loc="upper left", ncols=3, fontsize=8, handlelength=1.4, columnspacing=1.2)


def column(rows: Sequence[dict[str, Any]], name: str) -> npt.NDArray[np.float64]:
    """A figure of every logged row."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def curve(axes: Axes, steps: npt.NDArray[np.int64], values: npt.NDArray[np.float64], colour: str, label: str) -> None:
    """The logged values faintly and, where there are many, their running mean over a twentieth of the run."""
    window = len(values) // 20 + 1
    thin = max(1, -(-len(values) // _MOST_POINTS))
    if window > 1:
        axes.plot(steps[::thin], values[::thin], color=colour, alpha=0.3, linewidth=0.8)
    weights = np.convolve(np.ones(len(values)), np.ones(window), "same")
    smooth = np.convolve(values, np.ones(window), "same") / weights
    axes.plot(steps[::thin], smooth[::thin], color=colour, linewidth=1.6, label=label)


def held_out(
    axes: Axes, rows: Sequence[dict[str, Any]], name: str, colour: str = GREEN, label: str = "held out"
) -> None:
    """A mark after each epoch, where clips are held out."""
    marked = [row for row in rows if name in row]
    if marked:
        steps = [row["step"] for row in marked]
        axes.plot(steps, column(marked, name), color=colour, marker="o", markersize=3, linewidth=1, label=label)


def reference(axes: Axes, value: float, label: str) -> None:
    """A dashed line: what is reached without learning, or cannot be beaten."""
    axes.axhline(value, color=INK, linestyle="--", linewidth=0.9, alpha=0.7, label=label)


def learning_rate(axes: Axes, steps: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
    """The step size, on an axis of its own at the right."""
    right = axes.twinx()
    right.plot(steps, values, color=_PURPLE, drawstyle="steps-pre", linewidth=1.4)
    right.set_yscale("log")
    right.set_ylim(values.min() / 2, values.max() * 2)
    right.yaxis.set_major_locator(FixedLocator(labelled_rates(values)))
    right.yaxis.set_minor_locator(NullLocator())
    right.set_ylabel("learning rate (log)", color=_PURPLE)
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    right.tick_params(axis="y", colors=_PURPLE)
    right.grid(False)
    axes.yaxis.label.set_color(GREEN)
    axes.tick_params(axis="y", colors=GREEN)


def labelled_rates(values: npt.NDArray[np.float64]) -> list[float]:
    """Each rate of a few that stand a tenth of the axis or more below the one above; of many the extremes."""
    rates = np.unique(values)
    apart = (4 * rates[-1] / rates[0]) ** 0.1
    kept = [float(rates[-1])]
    for rate in rates[-2::-1] if len(rates) <= 6 else rates[:1]:
        if rate * apart <= kept[-1]:
            kept.append(float(rate))
    return kept[::-1]


def _confusion(axes: Axes, metrics: dict[str, Any], with_names: bool) -> None:
    counts = np.array(metrics["confusion"], dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=_SHARES, vmin=0, vmax=1, interpolation="nearest")
    few = len(counts) <= _FEW_CLASSES
    step = max(1, -(-len(counts) // 40))  # names that would overlap are left out
    places, size = np.arange(0, len(counts), step), 8 if few else 6
    names = [_short(name) for name in metrics["classes"][::step]]
    axes.set_yticks(places, names if with_names else [""] * len(names), fontsize=size)
    axes.set_xticks(places, names if few else [""] * len(names), rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="x", labelsize=size)
    axes.set(title=f"{metrics['embeddings']}: {metrics['top1']:.3f}", xlabel="predicted class")
    axes.set_ylabel("true class" if with_names else "")
    axes.grid(False)
    axes.spines[:].set(visible=True, alpha=0.3)
    axes.tick_params(length=0)
    if few:
        for (row, col), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, col] > 0.55 else INK
                axes.text(col, row, f"{count:.0f}", ha="center", va="center", fontsize=7, color=colour)


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"
