"""What is in a store and how far it is; read from files alone, so that it works while a stage writes."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..pipeline.artefacts import SHARDS
from ..pipeline.parquet_files import read_parquet
from ..pipeline.plan import PLAN_FILE
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.report import Identity, Manifest
from .metrics_log import read_metrics

_SHARD_REPORT = re.compile(r"\d{6}\.json")

COMMANDS = {
    SHARDS: "shard --dataset NAME --source DIR",
    "flow": "flow",
    "codebook": "codebook",
    "targets": "codebook",
    "runs": "train-cluster --name RUN",
    "embeddings": "embed",
    "probes": "classify",
    "evaluations": "evaluate --run RUN",
}
"""Kind of artefact to the command that makes it, in data order."""


@dataclass(frozen=True)
class Artefact:
    """One folder of the store that a stage works on.

    done, planned: shards that have their report, and all; steps for runs; both 0 where there are no such units.
    manifest: None where it is unfinished, or where its kind has none (codebooks). detail: a codebook's report, a run's
    last row of metrics, the metrics of a probe or an evaluation; empty for the others and before there is one.
    """

    folder: str
    identity: Identity
    info: dict[str, Any]
    finished: bool
    unit: str = ""
    done: int = 0
    planned: int = 0
    manifest: Manifest | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """First part of the folder: "shards", "flow", …"""
        return self.folder.split("/", 1)[0]

    @property
    def name(self) -> str:
        """The folder without its kind."""
        return self.folder.split("/", 1)[-1]

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.finished:
            return "finished"
        if not self.planned:
            return "begun"
        return f"{self.done} of {self.planned} {self.unit} ({100 * self.done // self.planned} %)"


def list_artefacts(store: Store) -> list[Artefact]:
    """Everything that is there, in data order.

    Raises MotionpipeError where the store holds no shards, not even begun ones.
    """
    if not store.exists(f"{SHARDS}/identity.json"):
        raise MotionpipeError(f"{store.uri} holds no store; make one with: {command_for(store, SHARDS)}")
    num_shards = planned_shards(store)
    found = [_sharded(store, SHARDS, num_shards)]
    found += [_sharded(store, folder, num_shards) for folder in _folders(store, "flow")]
    found += [_codebook(store, folder) for folder in _folders(store, "codebook")]
    found += [_sharded(store, folder, num_shards) for folder in _folders(store, "targets")]
    found += [_run(store, folder) for folder in _folders(store, "runs")]
    found += [_sharded(store, folder, num_shards) for folder in _folders(store, "embeddings")]
    for embeddings in store.list("probes"):
        found += [_scored(store, folder) for folder in _folders(store, f"probes/{embeddings}")]
    for run in store.list("evaluations"):
        found += [_scored(store, folder) for folder in _folders(store, f"evaluations/{run}")]
    return found


def artefact_folders(store: Store) -> list[str]:
    """Folders of all artefacts, in data order."""
    kinds = ("flow", "codebook", "targets", "runs", "embeddings")
    scored = [f"{kind}/{name}" for kind in ("probes", "evaluations") for name in store.list(kind)]
    found = [folder for kind in (*kinds, *scored) for folder in _folders(store, kind)]
    return [SHARDS, *found] if store.exists(f"{SHARDS}/identity.json") else found


def missing_kinds(store: Store, artefacts: list[Artefact]) -> list[str]:
    """Kinds of artefact of which none is finished, in data order, without those that nothing here waits for."""
    finished = {artefact.kind for artefact in artefacts if artefact.finished}
    waiting = {
        "evaluations": any(artefact.identity.stage == "finetune" for artefact in artefacts),
        **dict.fromkeys(("flow", "codebook", "targets"), learns_from_codewords(store, artefacts)),
    }
    return [kind for kind in COMMANDS if kind not in finished and waiting.get(kind, True)]


def learns_from_codewords(store: Store, artefacts: list[Artefact]) -> bool:
    """Whether a run here does, or before the first run the model of the recipe that the store began with."""
    models = {artefact.identity.data.get("model", "atomic-flow") for artefact in artefacts if artefact.kind == "runs"}
    if not models:
        recipe = tomllib.loads(store.read_bytes(f"{SHARDS}/recipe.toml").decode())
        models = {recipe["train"]["model"]}
    return "atomic-flow" in models


def command_for(store: Store, kind: str) -> str:
    """The command line that makes an artefact of a kind in this store."""
    return f"motionpipe {COMMANDS[kind]} --store {shlex.quote(store.uri)}"


def shard_numbers(store: Store, folder: str) -> list[int]:
    """Shards of an artefact that have their report."""
    return [int(name[:6]) for name in store.list(folder) if _SHARD_REPORT.fullmatch(name)]


def _folders(store: Store, kind: str) -> Iterator[str]:
    names = (f"{kind}/{name}" for name in store.list(kind))
    return (folder for folder in names if store.exists(f"{folder}/identity.json"))


def planned_shards(store: Store) -> int:
    """Shards of the plan; 0 where there is none yet."""
    if not store.exists(PLAN_FILE):
        return 0
    shards = read_parquet(store, PLAN_FILE, ["shard"])["shard"]
    return 1 + max(shards.to_pylist(), default=-1)


def _identity(store: Store, folder: str) -> tuple[Identity, dict[str, Any]]:
    there = json.loads(store.read_bytes(f"{folder}/identity.json"))
    return Identity.model_validate(there["identity"]), there["info"]


def _manifest(store: Store, folder: str) -> Manifest | None:
    name = f"{folder}/manifest.json"
    return Manifest.model_validate_json(store.read_bytes(name)) if store.exists(name) else None


def _sharded(store: Store, folder: str, num_shards: int) -> Artefact:
    identity, info = _identity(store, folder)
    manifest = _manifest(store, folder)
    done = len(manifest.shards) if manifest else len(shard_numbers(store, folder))
    planned = len(manifest.shards) if manifest else num_shards
    return Artefact(folder, identity, info, manifest is not None, "shards", done, planned, manifest)


def _codebook(store: Store, folder: str) -> Artefact:
    identity, info = _identity(store, folder)
    name = f"{folder}/report.json"
    report = json.loads(store.read_bytes(name)) if store.exists(name) else {}
    return Artefact(folder, identity, info, bool(report), detail=report)


def _run(store: Store, folder: str) -> Artefact:
    identity, info = _identity(store, folder)
    manifest, rows = _manifest(store, folder), read_metrics(store, folder)
    last = rows[-1] if rows else {}
    if manifest:
        done = planned = manifest.totals["steps"]
    else:
        done, planned = last.get("step", 0), info["steps"]
    return Artefact(folder, identity, info, manifest is not None, "steps", done, planned, manifest, last)


def _scored(store: Store, folder: str) -> Artefact:
    identity, info = _identity(store, folder)
    manifest = _manifest(store, folder)
    metrics = json.loads(store.read_bytes(f"{folder}/metrics.json")) if manifest else {}
    return Artefact(folder, identity, info, manifest is not None, manifest=manifest, detail=metrics)


def is_elsewhere(run: str) -> bool:
    """Whether such a text names a run of another store, which this one does not look after."""
    return ":" in run
