"""What the report says in numbers, collected from the store; pictures are in `report_samples` and `report_motion`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..pipeline.artefacts import read_report, rejects_name
from ..pipeline.codebook_file import codebook_from_bytes
from ..pipeline.datasets import protocols
from ..pipeline.parquet_files import read_parquet
from ..pipeline.plan import PLAN_FILE, read_plan
from ..pipeline.store import Store
from ..schemas.codebook import Codebook
from ..schemas.recording import PlannedRecording
from ..schemas.report import Reject
from .evaluation_table import by_settings, spread
from .inventory import Artefact, list_artefacts, shard_numbers
from .metrics_log import read_metrics
from .report_stages import StageRow, stage_rows

MOST_REJECTS = 100
MOST_CONFUSIONS = 6


@dataclass(frozen=True)
class Rejects:
    """The first rejects, how many there are in all, and (stage, reason, count) of each kind."""

    total: int
    rows: tuple[Reject, ...]
    reasons: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class ClassRow:
    """Recordings of a class: planned, (train, test) in each protocol, and rejected by the shard stage."""

    name: str
    recordings: int
    parts: tuple[tuple[int, int], ...]
    rejected: int


@dataclass(frozen=True)
class ClassTable:
    """Recordings by class and split; the last row is the sum."""

    protocols: tuple[str, ...]
    rows: tuple[ClassRow, ...]
    total: ClassRow


@dataclass(frozen=True)
class Book:
    """A finished codebook and its report."""

    name: str
    codebook: Codebook
    report: dict[str, Any]

    @property
    def unit(self) -> str:
        """Unit in which its flow is shown."""
        return "mm" if self.codebook.unit == "m" else "px"

    @property
    def factor(self) -> float:
        """From the flow's own unit to `unit`."""
        return 1000.0 if self.unit == "mm" else 1.0


@dataclass(frozen=True)
class Run:
    """A run, finished or not, and its logged rows; num_codes: size of its codebook, 0 where that is gone."""

    artefact: Artefact
    rows: tuple[dict[str, Any], ...]
    num_codes: int


@dataclass(frozen=True)
class ConfusionPair:
    """One probe's metrics on an embedding and, where there are some, on that of the untrained weights."""

    trained: dict[str, Any]
    untrained: dict[str, Any] | None


@dataclass(frozen=True)
class Evaluation:
    """Figures of fine-tuned classifiers that differ by their seeds alone; spread: of each figure, from two seeds on."""

    rows: tuple[dict[str, Any], ...]
    spread: dict[str, str]


@dataclass(frozen=True)
class Content:
    """All numbers of the page."""

    dataset: str
    shards_hash: str | None
    artefacts: tuple[Artefact, ...]
    stages: tuple[StageRow, ...]
    plan: tuple[PlannedRecording, ...]
    rejects: Rejects
    rejected_recordings: frozenset[str]
    classes: ClassTable
    books: tuple[Book, ...]
    runs: tuple[Run, ...]
    probes: tuple[dict[str, Any], ...]
    confusions: tuple[ConfusionPair, ...]
    evaluations: tuple[Evaluation, ...]
    motion: tuple[dict[str, Any], ...]
    predicted: tuple[dict[str, Any], ...]


def collect(store: Store) -> Content:
    """Read everything but samples; MotionpipeError where the store holds no shards."""
    artefacts = list_artefacts(store)
    shards = artefacts[0]
    plan = read_plan(store) if store.exists(PLAN_FILE) else []
    rejects = [reject for artefact in artefacts for reject in _rejects_of(store, artefact)]
    refused = frozenset(reject.recording_id for reject in rejects if reject.stage == shards.folder)
    dataset = str(shards.identity.data["dataset"])
    books = [_book(store, artefact) for artefact in artefacts if artefact.kind == "codebook" and artefact.finished]
    probes = [a.detail for a in artefacts if a.kind == "probes" and a.finished]
    scored = [a.detail for a in artefacts if a.kind == "evaluations" and a.finished]
    probes.sort(key=lambda p: (p["protocol"], _base(p), _linear_first(p["probe"]), p["embeddings"]))
    return Content(
        dataset=dataset,
        shards_hash=shards.manifest.hash if shards.manifest else None,
        artefacts=tuple(artefacts),
        stages=stage_rows(store, artefacts),
        plan=tuple(plan),
        rejects=_summed(rejects),
        rejected_recordings=refused,
        classes=class_table(plan, protocols(dataset), refused),
        books=tuple(books),
        runs=tuple(_run(store, artefact, books) for artefact in artefacts if artefact.kind == "runs"),
        probes=tuple(probes),
        confusions=confusion_pairs(probes),
        evaluations=_evaluations([detail for detail in scored if "top1" in detail]),
        motion=tuple(detail for detail in scored if "methods" in detail),
        predicted=tuple(detail for detail in scored if "decoders" in detail),
    )


def class_table(
    plan: Sequence[PlannedRecording], protocol_names: Sequence[str], rejected: frozenset[str]
) -> ClassTable:
    """Count recordings by class, in the order of the class index; those without a label come last."""
    by_class: dict[tuple[bool, int, str], list[PlannedRecording]] = {}
    for row in plan:
        label, name = row.recording.label, row.recording.label_name
        by_class.setdefault((label is None, label or 0, name or "no label"), []).append(row)
    rows = [_class_row(key[2], by_class[key], protocol_names, rejected) for key in sorted(by_class)]
    return ClassTable(tuple(protocol_names), tuple(rows), _class_row("all", plan, protocol_names, rejected))


def confusion_pairs(probes: Sequence[dict[str, Any]]) -> tuple[ConfusionPair, ...]:
    """One pair for each embedding and protocol, of the linear probe where it was scored; the first few."""
    by_place: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for metrics in probes:
        by_place.setdefault((metrics["embeddings"], metrics["protocol"]), {})[metrics["probe"]] = metrics
    pairs = []
    for (name, protocol), by_probe in by_place.items():
        if not name.endswith("@init"):
            probe = min(by_probe, key=_linear_first)
            pairs.append(ConfusionPair(by_probe[probe], by_place.get((f"{name}@init", protocol), {}).get(probe)))
    return tuple(pairs[:MOST_CONFUSIONS])


def _evaluations(rows: list[dict[str, Any]]) -> tuple[Evaluation, ...]:
    figures = ("top1", "mean_class_accuracy", "mean_ap")
    return tuple(
        Evaluation(tuple(group), {name: spread(group, name) for name in figures} if len(group) > 1 else {})
        for group in by_settings(rows)
    )


def _base(metrics: dict[str, Any]) -> str:
    return str(metrics["embeddings"]).removesuffix("@init")


def _linear_first(probe: str) -> tuple[bool, str]:
    return probe != "linear", probe


def _class_row(
    name: str, rows: Sequence[PlannedRecording], protocol_names: Sequence[str], rejected: frozenset[str]
) -> ClassRow:
    counts = {p: Counter(row.recording.splits.get(p) for row in rows) for p in protocol_names}
    parts = tuple((counts[p]["train"], counts[p]["test"]) for p in protocol_names)
    return ClassRow(name, len(rows), parts, sum(row.recording_id in rejected for row in rows))


def _rejects_of(store: Store, artefact: Artefact) -> list[Reject]:
    """Rejects of a sharded artefact, so far as it has come."""
    if artefact.unit != "shards":
        return []
    if artefact.manifest is None:
        numbers = shard_numbers(store, artefact.folder)
        return [reject for number in numbers for reject in read_report(store, artefact.folder, number).rejects]
    if not artefact.manifest.totals["rejected"]:
        return []
    table = read_parquet(store, rejects_name(artefact.folder))
    return [Reject.model_validate(row) for row in table.to_pylist()]


def _summed(rejects: Sequence[Reject]) -> Rejects:
    counts = Counter((reject.stage, reject.reason) for reject in rejects)
    reasons = tuple((stage, reason, count) for (stage, reason), count in counts.items())
    return Rejects(len(rejects), tuple(rejects[:MOST_REJECTS]), reasons)


def _book(store: Store, artefact: Artefact) -> Book:
    return Book(
        artefact.name, codebook_from_bytes(store.read_bytes(f"{artefact.folder}/codebook.npz")), artefact.detail
    )


def _run(store: Store, artefact: Artefact, books: Iterable[Book]) -> Run:
    sizes = {book.name: book.codebook.size for book in books}
    return Run(artefact, tuple(read_metrics(store, artefact.folder)), sizes.get(artefact.info.get("codebook", ""), 0))
