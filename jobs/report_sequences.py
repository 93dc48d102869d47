"""LSTMs in the report: the loss of each decoder beside what costs nothing, and pictures of what they predict."""

from __future__ import annotations

import numpy as np

from ..pipeline.store import Store
from .predict_sequences import moving_pictures, open_sequence_predictor
from .report_content import Run
from .report_figures import BLUE, GREEN, ORANGE, column, curve, held_out, learning_rate, legend_above, reference
from .report_samples import Image, inlined_png
from .report_svg import empty_figure, page_style, svg_image

_COLOURS = {"reconstruction": ORANGE, "future": BLUE}


def sequence_run_figure(run: Run) -> Image:
    """Each decoder's loss, and speed and learning rate, over the steps of a run."""
    rows, network = run.rows, run.artefact.identity.data["network"]
    steps = np.array([row["step"] for row in rows])
    with page_style():
        figure = empty_figure(11.5, 3.2)
        loss, speed = figure.subplots(1, 2, width_ratios=(2.4, 1))
        for name in network["decoders"]:
            curve(loss, steps, column(rows, name), _COLOURS[name], name)
            held_out(loss, rows, f"held_out_{name}", _COLOURS[name], f"{name}, held out")
        for name in ("constant", "floor"):
            reference(loss, float(column(rows, name).mean()), name)
        unit = "nats a frame" if network["output"] == "bernoulli" else "half the squared error a frame"
        loss.set(title="Loss of each decoder", xlabel="step", ylabel=unit)
        curve(speed, steps, column(rows, "clips_per_s"), GREEN, "clips/s")
        speed.set(title="Speed and learning rate", xlabel="step", ylabel="clips a second", ylim=(0, None))
        learning_rate(speed, steps, column(rows, "learning_rate"))
        legend_above(loss)
        return svg_image(figure)


def sequence_pictures(store: Store, run: Run, count: int) -> list[Image]:
    """Rows of frames and their animation, of a few test samples."""
    predictor = open_sequence_predictor(store, run.artefact.name)
    return [inlined_png(data) for both in moving_pictures(predictor, count) for data in both]


def can_be_shown(store: Store, run: Run) -> bool:
    """Whether a finished run predicts what can be looked at, and its weights are still there."""
    artefact = run.artefact
    if artefact.manifest is None or artefact.identity.data["network"]["input"] == "percepts":
        return False
    return all(store.exists(f"{artefact.folder}/{line.file}") for line in artefact.manifest.shards)
