"""`motionpipe verify`, the first level: manifests, hashes of single files, parents and splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from ..pipeline.check_splits import check_splits
from ..pipeline.plan import PLAN_FILE, read_plan
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.finding import Finding
from ..schemas.recording import PlannedRecording
from ..schemas.report import Identity, Manifest, content_hash
from .inventory import Artefact, artefact_folders, command_for, is_elsewhere, planned_shards
from .parents import command_again, stale_artefacts
from .run_files import RunFiles

SHARDED = ("shards", "flow", "targets", "embeddings")


def unreadable_records(store: Store) -> Iterator[Finding]:
    """Records of artefacts that cannot even be parsed: nothing else can be checked before they are mended."""
    for folder in artefact_folders(store):
        kind = folder.split("/", 1)[0]
        yield from _parses(store, folder, "identity.json", None)
        if store.exists(f"{folder}/manifest.json"):
            yield from _parses(store, folder, "manifest.json", Manifest)
        if kind == "codebook" and store.exists(f"{folder}/report.json"):
            yield from _parses(store, folder, "report.json", None)


def unreadable_plan(store: Store) -> Iterator[Finding]:
    """The plan, without which nothing says what belongs into the store."""
    todo = "restore it from a copy, or shard into a new store"
    try:
        read_plan(store)
    except FileNotFoundError:
        yield Finding(PLAN_FILE, "is missing", todo)
    except (MotionpipeError, pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        yield Finding(PLAN_FILE, f"is not readable ({str(error).splitlines()[0]})", todo)


def _parses(store: Store, folder: str, name: str, model: type[BaseModel] | None) -> Iterator[Finding]:
    try:
        value = json.loads(store.read_bytes(f"{folder}/{name}"))
        if name == "identity.json":
            Identity.model_validate(value["identity"])
        if model:
            model.model_validate(value)
    except (ValueError, ValidationError, KeyError, TypeError) as error:
        todo = f"restore it, or remove {folder} and run: {command_for(store, folder.split('/', 1)[0])}"
        yield Finding(f"{folder}/{name}", f"is not readable ({str(error).splitlines()[0]})", todo)


def check_manifests(store: Store, artefacts: list[Artefact]) -> Iterator[Finding]:
    """What is wrong with each artefact as a whole, in data order."""
    stale = stale_artefacts(artefacts)
    num_shards = planned_shards(store)
    by_folder = {artefact.folder: artefact for artefact in artefacts}
    for artefact in artefacts:
        if artefact.folder in stale:
            todo = "make it again under another --name, or remove it first: nothing of it may be mixed with the new"
            yield Finding(artefact.folder, stale[artefact.folder], todo)
        command = command_again(store, artefact, by_folder)
        if not artefact.finished:
            todo = f"go on with: {command}"
            yield Finding(artefact.folder, f"is not finished: {artefact.state}", todo)
        elif artefact.kind == "codebook":
            yield from _check_file(store, artefact, "codebook.npz", str(artefact.detail["sha256"]))
        else:
            yield from _check_manifest(store, artefact, num_shards, command)


def _check_manifest(store: Store, artefact: Artefact, num_shards: int, command: str) -> Iterator[Finding]:
    manifest = artefact.manifest
    assert manifest is not None
    name = f"{artefact.folder}/manifest.json"
    again = f"remove it and run, to have it made again: {command}"
    if manifest.identity != artefact.identity:
        fields = ", ".join(field for field, _, _ in manifest.identity.differences(artefact.identity))
        yield Finding(name, f"its identity differs from identity.json in {fields}", again)
    lines = manifest.shards
    if artefact.kind == "runs":
        yield from _check_file(store, artefact, lines[0].file, lines[0].sha256)
        if manifest.hash != lines[0].sha256:
            yield Finding(name, "its hash is not that of its checkpoint", again)
        return
    if content_hash(manifest.identity, lines) != manifest.hash:
        yield Finding(name, "its hash is not that of its content: it was edited or damaged", again)
    if artefact.kind == "evaluations":
        for line in lines:
            yield from _check_file(store, artefact, line.file, line.sha256)
    if artefact.kind in SHARDED:
        for problem in _sums(manifest, num_shards):
            yield Finding(name, problem, again)
    untrained = artefact.kind == "embeddings" and artefact.name.endswith("@init")
    if untrained and not is_elsewhere(artefact.identity.data["run"]):
        files = RunFiles(store, artefact.identity.data["run"])
        yield from _check_file(store, artefact, files.initial(), artefact.identity.parents["checkpoint"])


def _sums(manifest: Manifest, num_shards: int) -> Iterator[str]:
    lines = manifest.shards
    if [line.shard for line in lines] != list(range(num_shards)):
        yield f"it lists {len(lines)} shards, the plan has {num_shards}"
    for field in ("read", "written", "rejected"):
        total = sum(getattr(line, field) for line in lines)
        if total != manifest.totals.get(field):
            yield f"{field}: {manifest.totals.get(field)} in all, its shards add up to {total}"
    if any(line.read != line.written + line.rejected for line in lines):
        yield "a shard's read is not written + rejected"


def _check_file(store: Store, artefact: Artefact, file: str, sha256: str) -> Iterator[Finding]:
    """A single file (in the artefact's folder, or a path from the store's root) against its hash."""
    name = file if file.startswith("runs/") else f"{artefact.folder}/{file}"
    todo = "restore it from a copy, or make it again under another --name"
    if not store.exists(name):
        yield Finding(name, "is missing", todo)
    elif hashlib.sha256(store.read_bytes(name)).hexdigest() != sha256:
        yield Finding(name, f"is not the file that {artefact.folder} describes (another sha256)", todo)


def check_plan(plan: list[PlannedRecording], source_hashes: dict[str, str]) -> Iterator[Finding]:
    """Splits that are not disjoint."""
    todo = "take one of the two out of the source or of its split, and shard into a new store"
    for problem in check_splits((row.recording for row in plan), source_hashes):
        yield Finding(PLAN_FILE, problem, todo)
    if len({row.key for row in plan}) != len(plan) or len({row.recording_id for row in plan}) != len(plan):
        yield Finding(PLAN_FILE, "a key or a recording stands in it twice", "shard into a new store")
