"""`motionpipe report`: one self-contained page of what a store holds and how well it does."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

import click
from jinja2 import Environment, StrictUndefined

from .. import __version__
from ..pipeline.measure_frames import METHODS
from ..pipeline.store import Store
from .inventory import command_for, learns_from_codewords
from .predict import open_predictor, pictures
from .report_codebook import codebook_figure, codebook_gallery
from .report_content import Book, ConfusionPair, Content, Run, collect
from .report_figures import confusion_figure, evaluation_figure, flow_run_figure, run_figure
from .report_flow_quality import flow_qualities
from .report_motion import FlowSheet, flow_sheet
from .report_registration import RegistrationSheet, registration_sheet
from .report_samples import Image, Shown, contact_sheet, inlined_png
from .report_sequences import can_be_shown, sequence_pictures, sequence_run_figure
from .status import file_size

PAGE = "report/index.html"
_MOST_FLOWS = 3
_MOST_FIGURES = 12
_MOST_PREDICTED, _PREDICTED_CLIPS = 3, 2

T = TypeVar("T")


@dataclass(frozen=True)
class Illustrated:
    """Figures beside the numbers that they show; each kind is cut to a bounded number."""

    sheet: Sequence[Shown]
    registration: RegistrationSheet | None
    flows: Sequence[FlowSheet]
    books: Sequence[tuple[Book, Image, Image]]
    runs: Sequence[tuple[Run, Image | None, Sequence[Image]]]
    confusions: Sequence[tuple[ConfusionPair, Image]]
    evaluations: Sequence[tuple[dict[str, Any], Image]]
    qualities: Sequence[tuple[dict[str, Any], Image]]


def report(store: Store) -> str:
    """Write the page, whole or not at all, and print its place; returns that.

    Raises MotionpipeError where the store holds no shards, not even begun ones.
    """
    content = collect(store)
    store.write_bytes(PAGE, render(store, content, illustrate(store, content)).encode())
    place = f"{store.uri.rstrip('/')}/{PAGE}"
    click.echo(place)
    return place


def illustrate(store: Store, content: Content) -> Illustrated:
    """Make the pictures and figures."""
    shown = [row for row in content.plan if row.recording_id not in content.rejected_recordings]
    flows = [artefact for artefact in content.artefacts if artefact.kind == "flow"][:_MOST_FLOWS]
    sheets = [flow_sheet(store, artefact, shown) for artefact in flows]
    return Illustrated(
        sheet=contact_sheet(store, shown),
        registration=registration_sheet(store, shown),
        flows=[sheet for sheet in sheets if sheet],
        books=[(book, codebook_figure(book), codebook_gallery(book)) for book in content.books[:_MOST_FIGURES]],
        runs=_illustrated_runs(store, content.runs[:_MOST_FIGURES]),
        confusions=_with_figures(content.confusions, confusion_figure),
        # one seed of each: figures of the others look alike
        evaluations=_with_figures([group.rows[0] for group in content.evaluations], evaluation_figure),
        qualities=flow_qualities(store)[:_MOST_FIGURES],
    )


def _illustrated_runs(store: Store, runs: Sequence[Run]) -> list[tuple[Run, Image | None, list[Image]]]:
    """Curves of each run, and predictions of the first finished ones that predict flow or frames."""
    shown = {run.artefact.name for run in [run for run in runs if _predicts(store, run)][:_MOST_PREDICTED]}
    return [
        (
            run,
            _run_figure(run) if len(run.rows) > 1 else None,
            _predictions(store, run) if run.artefact.name in shown else [],
        )
        for run in runs
    ]


def _run_figure(run: Run) -> Image:
    """Curves of what the run learns: sequences, flow without truth, or classes, codewords and synthesised frames."""
    if _is_lstm(run):
        return sequence_run_figure(run)
    estimates_flow = run.artefact.identity.data["model"] == "uf-tsn" and run.artefact.identity.stage == "train"
    return flow_run_figure(run) if estimates_flow else run_figure(run)


def _predicts(store: Store, run: Run) -> bool:
    """Whether it is finished and predicts flow or frames, and its weights and its flow, if any, are still there."""
    artefact = run.artefact
    if artefact.manifest is None or not artefact.manifest.shards:
        return False
    if _is_lstm(run):
        return can_be_shown(store, run)
    needed = [f"{artefact.folder}/{line.file}" for line in artefact.manifest.shards]
    if artefact.identity.data["model"] == "cgm-net":
        network = artefact.identity.data["network"]
        predicts = bool(network["lambda_hr"] or network["lambda_lr"])
    else:
        predicts = artefact.identity.stage == "train" and artefact.identity.data["model"] == "atomic-flow"
        needed += [f"flow/{artefact.info['flow']}/manifest.json"] if predicts else []
    return predicts and bool(artefact.manifest.shards) and all(store.exists(name) for name in needed)


def _is_lstm(run: Run) -> bool:
    identity = run.artefact.identity
    return bool(identity.stage == "train" and identity.data["model"] == "lstm")


def _predictions(store: Store, run: Run) -> list[Image]:
    if _is_lstm(run):
        return sequence_pictures(store, run, _PREDICTED_CLIPS)
    return [inlined_png(data) for data in pictures(open_predictor(store, run.artefact.name), _PREDICTED_CLIPS)]


def render(store: Store, content: Content, illustrated: Illustrated) -> str:
    """The page as HTML. Every text is escaped, and a name that the template misspells is an error."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "size": file_size}
    template = environment.from_string(resources.files(__package__).joinpath("report.html.j2").read_text("utf-8"))
    return template.render(
        content=content,
        illustrated=illustrated,
        uri=store.uri,
        version=__version__,
        motion_methods=METHODS,
        codewords=learns_from_codewords(store, list(content.artefacts)),
        command=lambda kind: command_for(store, kind),
        status_command=f"motionpipe status --store {shlex.quote(store.uri)}",
    )


def _with_figures(items: Sequence[T], draw: Callable[[T], Image]) -> list[tuple[T, Image]]:
    return [(item, draw(item)) for item in items[:_MOST_FIGURES]]


def _number(value: float | None, digits: int = 0) -> str:
    """With thin groups of thousands, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")
