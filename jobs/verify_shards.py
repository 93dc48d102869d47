"""`motionpipe verify`, the second level and --deep: one shard of one artefact, checked in a worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from pydantic import ValidationError

from ..pipeline.artefacts import SHARDS, read_report, report_name
from ..pipeline.check_sample import check_codes, check_flow, check_frames, check_rows
from ..pipeline.check_tar import Visit, check_tar
from ..pipeline.estimate_flow import STREAM_OF_METHOD
from ..pipeline.parquet_files import read_parquet
from ..pipeline.plan import read_planned_shard
from ..pipeline.read_flow import read_flow_cells
from ..pipeline.read_sample import read_meta
from ..pipeline.store import Store
from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError
from ..schemas.finding import Finding
from ..schemas.flow_section import FlowSection
from ..schemas.report import Identity, SampleEntry, ShardReport, ShardSummary
from .codebook import read_codebook

_SHOWN = 5


@dataclass(frozen=True)
class ShardTask:
    """A shard to check. parent: folder whose samples it was made from, None where that one has changed since.

    line: the shard's line in the manifest. command: what makes the artefact again. cell: side of the cells of the flow.
    """

    folder: str
    line: ShardSummary
    identity: Identity
    parent: str | None
    deep: bool
    command: str
    cell: int = 0

    @property
    def kind(self) -> str:
        """First part of the folder."""
        return self.folder.split("/", 1)[0]


@dataclass(frozen=True)
class ShardCheck:
    """What a worker found in one shard; of shards/ alone: keys, and sources (recording id to content hash)."""

    folder: str
    findings: tuple[Finding, ...]
    counts: dict[str, int] = field(default_factory=dict)
    rejects: tuple[str, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


def check_worker(store: Store, tasks: list[ShardTask]) -> Callable[[int], ShardCheck]:
    """The work on the task of a number."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)

    def run(number: int) -> ShardCheck:
        task = tasks[number]
        name = f"{task.folder}/{report_name(task.line.shard)}"
        again = f"remove {name} and {task.folder}/manifest.json, then run: {task.command}"
        try:
            report = read_report(store, task.folder, task.line.shard)
        except FileNotFoundError:
            return ShardCheck(task.folder, (Finding(name, "is missing", again),))
        except ValidationError as error:
            what = f"is not readable ({error.errors()[0]['msg']})"
            return ShardCheck(task.folder, (Finding(name, what, again),))
        findings = [Finding(name, problem, again) for problem in _check_report(store, task, report)]
        problems = list(_check_content(store, task, report))
        where = f"{task.folder}/{task.line.file}"
        findings += [Finding(where, problem, again) for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            findings.append(Finding(where, f"and {len(problems) - _SHOWN} more like these", again))
        sources = {e.recording_id: e.source_hash for e in report.samples} if task.kind == SHARDS else {}
        counts = report.counts() | {"members": sum(len(entry.members) for entry in report.samples)}
        keys = tuple(e.key for e in report.samples) if task.kind == SHARDS else ()
        return ShardCheck(task.folder, tuple(findings), counts, tuple(r.key for r in report.rejects), sources, keys)

    return run


def _check_report(store: Store, task: ShardTask, report: ShardReport) -> Iterator[str]:
    """The report against the manifest, and against what it should account for."""
    if report.summary() != task.line:
        yield "it is not the report of which the manifest tells"
    keys = [entry.key for entry in report.samples]
    if len(set(keys)) != len(keys):
        yield "a key comes twice"
    if task.kind == SHARDS:
        planned = {row.recording_id for row in read_planned_shard(store, task.line.shard)}
        told = {e.recording_id for e in report.samples} | {r.recording_id for r in report.rejects}
    elif task.parent:
        planned = {entry.key for entry in _parent_samples(store, task)}
        told = set(keys) | {reject.key for reject in report.rejects}
    else:
        return
    if planned != told:
        lost, alien = sorted(planned - told), sorted(told - planned)
        yield f"{len(lost)} samples are neither written nor rejected and {len(alien)} do not belong here: " + ", ".join(
            (lost + alien)[:3]
        )


def _parent_samples(store: Store, task: ShardTask) -> tuple[SampleEntry, ...]:
    assert task.parent is not None
    try:
        return read_report(store, task.parent, task.line.shard).samples
    except (FileNotFoundError, ValidationError):  # a finding of the parent itself
        return ()


def _check_content(store: Store, task: ShardTask, report: ShardReport) -> Iterable[str]:
    if task.kind == "embeddings":
        return _check_parquet(store, task, report)
    return check_tar(store, task.folder, report, _visitor(store, task) if task.deep else None)


def _visitor(store: Store, task: ShardTask) -> Visit | None:
    """The deep check of one sample of the artefact's kind; None where its parent has changed."""
    if task.kind == SHARDS:
        plan = {row.recording_id: row.recording for row in read_planned_shard(store, task.line.shard)}
        return lambda entry, members: check_frames(entry, members, plan.get(entry.recording_id))
    if task.parent is None:
        return None
    entries = {entry.key: entry for entry in _parent_samples(store, task)}
    if task.kind == "flow":
        return partial(_visit_flow, store, task, entries)
    try:
        book, _ = read_codebook(store, task.folder.split("/", 1)[1])
    except (MotionpipeError, FileNotFoundError):  # a finding of the codebook itself
        return None
    return partial(_visit_codes, store, task, entries, book)


def _visit_flow(
    store: Store, task: ShardTask, frames: dict[str, SampleEntry], entry: SampleEntry, members: dict[str, bytes]
) -> Iterable[str]:
    assert task.parent is not None
    try:
        config = FlowSection.model_validate(task.identity.section)
        stream = STREAM_OF_METHOD[config.method]
        width, height = read_meta(store, task.parent, task.line.shard, frames[entry.key])["sizes"][stream]
    except (ValueError, KeyError, FileNotFoundError):  # a finding of the parent itself
        return []
    return check_flow(entry, members, config, frames[entry.key], (width, height))


def _visit_codes(
    store: Store,
    task: ShardTask,
    flows: dict[str, SampleEntry],
    book: Codebook,
    entry: SampleEntry,
    members: dict[str, bytes],
) -> Iterable[str]:
    assert task.parent is not None
    try:
        flow = read_flow_cells(store, task.parent, task.line.shard, flows[entry.key], task.cell)
    except (ValueError, KeyError, OSError, EOFError):  # a finding of the parent itself
        return []
    return check_codes(entry, members, flow, flows[entry.key].source_hash, book)


def _check_parquet(store: Store, task: ShardTask, report: ShardReport) -> Iterator[str]:
    name = f"{task.folder}/{report.file}"
    if not store.exists(name):
        yield "is missing"
        return
    data = store.read_bytes(name)
    if (len(data), hashlib.sha256(data).hexdigest()) != (report.size_bytes, report.sha256):
        yield "its bytes are not those of its report"
        return
    table = read_parquet(store, name)
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    made_from = task.identity.parents
    if (metadata.get("shards"), metadata.get("checkpoint")) != (made_from["shards"], made_from["checkpoint"]):
        yield "its metadata name other shards or another checkpoint than its identity"
    if table.num_rows != report.totals["rows"]:
        yield f"{table.num_rows} rows, its report says {report.totals['rows']}"
    if task.deep and task.parent:
        plan = {row.recording_id: row.recording for row in read_planned_shard(store, task.line.shard)}
        entries = {entry.key: entry for entry in report.samples}
        yield from check_rows(table, entries, plan, task.line.shard)
