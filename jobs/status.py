"""`motionpipe status`: what is in the store, and how far what is unfinished has come."""

from __future__ import annotations

from typing import Any

import click

from ..pipeline.store import Store
from .inventory import Artefact, command_for, list_artefacts, missing_kinds
from .parents import stale_artefacts


def status(store: Store) -> None:
    """Print a line for each artefact, and the commands for what is not there yet."""
    for line in status_lines(store):
        click.echo(line)


def status_lines(store: Store) -> list[str]:
    """The table as text."""
    artefacts = list_artefacts(store)
    stale = stale_artefacts(artefacts)
    rows = [(a.folder, "stale" if a.folder in stale else a.state, _detail(a)) for a in artefacts]
    folder_width, state_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    head = f"{store.uri}: dataset {artefacts[0].identity.data['dataset']}"
    table = [f"{folder:{folder_width}}  {state:{state_width}}  {detail}".rstrip() for folder, state, detail in rows]
    missing = [f"{kind}: not finished; {command_for(store, kind)}" for kind in missing_kinds(store, artefacts)]
    warnings = [f"{folder} is stale: {why}" for folder, why in stale.items()]
    return [head, "", *table, *(["", *warnings] if warnings else []), *(["", *missing] if missing else [])]


def file_size(count: float) -> str:
    """Bytes in decimal units, as `41.9 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _detail(artefact: Artefact) -> str:
    if artefact.kind == "runs":
        return _last_row(artefact)
    if artefact.kind == "codebook" and artefact.finished:
        report = artefact.detail
        return (
            f"K = {report['size']}, perplexity {report['perplexity']:.1f}, {len(report['dead_codes'])} dead, "
            f"from {report['train_samples']} training samples of {report['protocol']}"
        )
    if artefact.kind in ("probes", "evaluations") and artefact.finished:
        return _score(artefact.detail)
    totals = artefact.manifest.totals if artefact.manifest else {}
    if not totals.get("read"):
        return ""
    counted = [f"{count} {name}" for name, count in totals.items() if name in ("frames", "pairs", "rows")]
    counts = f"{totals['read']} read = {totals['written']} written + {totals['rejected']} rejected"
    info = artefact.manifest.info if artefact.manifest else {}
    rate = [f"{info['rate']:.1f} {info['counted']}/s"] if info.get("rate") else []
    return ", ".join([counts, *counted, file_size(totals["bytes"]), *rate])


def _score(figures: dict[str, Any]) -> str:
    """The figures of a finished probe or evaluation: of classes, of predicted frames, or of synthesised ones."""
    if "decoders" in figures:
        losses = [f"{name} {score['loss']:.2f}" for name, score in figures["decoders"].items()]
        return f"{', '.join(losses)} {figures['unit']}, {figures['samples']} samples"
    if "methods" in figures:
        means = {method: of["l1"] for method, of in figures["methods"].items()}
        return f"l1 {means['run']:.4f}, copying {means['copy']:.4f}, {figures['clips']} clips"
    leak = f", LEAK: {figures['leak']}" if figures["leak"] else ""
    return f"top-1 {figures['top1']:.3f}, chance {figures['chance']:.3f}, {figures['n_test']} recordings{leak}"


def _last_row(artefact: Artefact) -> str:
    """The run's last logged metrics."""
    row = artefact.detail
    if not row:
        return "nothing logged yet"
    shown = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.items() if name not in ("step", "epoch")]
    return f"step {row['step']}, epoch {row['epoch'] + 1} of {artefact.identity.section['epochs']}: {', '.join(shown)}"
