"""The report's table of stages: what each artefact read, wrote and rejected, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..pipeline.artefacts import read_report
from ..pipeline.store import Store
from .inventory import Artefact, shard_numbers

_COMMON_TOTALS = frozenset(("read", "written", "rejected", "samples", "bytes"))


@dataclass(frozen=True)
class StageRow:
    """An artefact's line in the table of stages; None where it has no such figure.

    counted: ("frames", 3840), …; rate: units of `rate_unit` a second of wall time.
    """

    folder: str
    state: str
    read: int | None = None
    written: int | None = None
    rejected: int | None = None
    samples: int | None = None
    counted: tuple[tuple[str, int], ...] = ()
    size_bytes: int | None = None
    seconds: float | None = None
    workers: int | None = None
    rate: float | None = None
    rate_unit: str = ""


def stage_rows(store: Store, artefacts: Sequence[Artefact]) -> tuple[StageRow, ...]:
    """A row for each artefact, except finished probes and evaluations of all kinds, which have tables of their own."""
    scored = ("probes", "evaluations")
    return tuple(_stage_row(store, a) for a in artefacts if a.kind not in scored or not a.finished)


def _stage_row(store: Store, artefact: Artefact) -> StageRow:
    if not artefact.unit:  # codebooks and probes work on no shards
        counts = (("training cells", artefact.detail["cells"]),) if artefact.finished else ()
        samples = artefact.detail.get("train_samples")
        return StageRow(artefact.folder, artefact.state, samples=samples, counted=counts)
    totals = artefact.manifest.totals if artefact.manifest else _totals_so_far(store, artefact)
    info = artefact.manifest.info if artefact.manifest else {}
    seconds = info.get("seconds")
    units, unit = (totals["steps"], "steps") if artefact.kind == "runs" else (totals.get("read"), "recordings")
    rate = units / seconds if units and seconds else None
    if "rate" in info:
        rate, unit = info["rate"], info["counted"]
    return StageRow(
        folder=artefact.folder,
        state=artefact.state,
        read=totals.get("read"),
        written=totals.get("written"),
        rejected=totals.get("rejected"),
        samples=totals.get("samples"),
        counted=tuple((name, count) for name, count in totals.items() if name not in _COMMON_TOTALS),
        size_bytes=totals.get("bytes"),
        seconds=seconds,
        workers=info.get("workers"),
        rate=rate,
        rate_unit=unit,
    )


def _totals_so_far(store: Store, artefact: Artefact) -> dict[str, int]:
    if artefact.kind == "runs":
        return {"steps": artefact.done}
    totals: Counter[str] = Counter(read=0, written=0, rejected=0, samples=0, bytes=0)
    for number in shard_numbers(store, artefact.folder):
        report = read_report(store, artefact.folder, number)
        counts = {"read": report.read, "written": report.written, "rejected": len(report.rejects)}
        totals.update(counts | {"samples": len(report.samples), "bytes": report.size_bytes} | report.totals)
    return dict(totals)
