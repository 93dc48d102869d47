"""`motionpipe classify`: probes on a run's embeddings and on those of its untrained weights, side by side."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest
from ..pipeline.groups import group_of
from ..pipeline.metrics import average_by_recording, score
from ..pipeline.parquet_files import parquet_bytes, read_parquet
from ..pipeline.probes import Kind, ProbeData, fit_probe, probe_scores
from ..pipeline.splits import planned_by_recording, recordings_in, resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import ClassifySection, Recipe
from ..schemas.recording import PlannedRecording
from ..schemas.report import Identity, Manifest
from .artefact_lock import artefact_lock
from .embed import MADE_BY as MAKE_EMBEDDINGS
from .options import RunOptions
from .provenance import leak_of
from .stage import StageResult, open_artefact


@dataclass(frozen=True)
class Protocol:
    """A split of the recordings; `leak` says what is wrong with testing on it, or nothing."""

    name: str
    plan: dict[str, PlannedRecording]
    leak: str

    def labelled(self, part: str) -> set[str]:
        """Ids of the labelled recordings that the plan has in a part."""
        ids = recordings_in(self.plan, self.name, part)
        return {name for name in ids if self.plan[name].recording.label is not None}

    def label_names(self) -> dict[int, str]:
        """Class index to name."""
        recordings = [row.recording for row in self.plan.values()]
        return {r.label: r.label_name for r in recordings if r.label is not None and r.label_name is not None}


@dataclass(frozen=True)
class Task:
    """One probe to fit: its kind, the embeddings' name and parts."""

    kind: Kind
    embeddings: str
    train: ProbeData
    test: ProbeData
    config: ClassifySection


def classify(
    store: Store,
    recipe: Recipe,
    embeddings: str | None,
    kinds: tuple[Kind, ...],
    options: RunOptions,
    allow_leak: bool = False,
) -> list[StageResult]:
    """Fit each probe on the training part, score the test part by recording, save and show the figures."""
    start = time.monotonic()
    embeddings = embeddings or only_artefact(store, "embeddings", "--embeddings", MAKE_EMBEDDINGS)
    names = [embeddings]
    if store.exists(f"embeddings/{embeddings}@init/manifest.json"):
        names.append(f"{embeddings}@init")
    manifests = {name: read_manifest(store, f"embeddings/{name}", MAKE_EMBEDDINGS) for name in names}
    protocol = _protocol(store, recipe.data.protocol, manifests[embeddings])
    if protocol.leak and not allow_leak:
        raise MotionpipeError(f"{protocol.leak}; pass --allow-leak to score it all the same")
    parts = {name: _parts(store, name, protocol) for name in names}
    results = []
    for kind in kinds:
        for name in names:
            folder = f"probes/{name}/{protocol.name}-{kind}"
            identity = Identity(
                stage="classify",
                section=recipe.classify.model_dump(mode="json", exclude={"probes"}) | {"probe": kind},
                data={"protocol": protocol.name},
                parents={"embeddings": manifests[name].hash},
            )
            with artefact_lock(store, folder):
                finished = open_artefact(store, folder, identity, recipe, {}, f"remove {folder} to score it anew")
                if not finished:
                    _probe(store, folder, Task(kind, name, *parts[name], recipe.classify), protocol, options.workers)
                    manifest = Manifest.of(identity, [], {})
                    store.write_bytes(f"{folder}/manifest.json", manifest.model_dump_json(indent=1).encode())
            record = json.loads(store.read_bytes(f"{folder}/metrics.json"))
            unscored = 1 - record["n_test"] / record["n_test_planned"]
            code = 3 if unscored > options.max_reject_rate else 0
            results.append(StageResult(folder, {}, time.monotonic() - start, not finished, code, record))
    return results


def _protocol(store: Store, asked: str | None, embeddings: Manifest) -> Protocol:
    plan = planned_by_recording(store)
    dataset = read_manifest(store, SHARDS, "motionpipe shard").identity.data["dataset"]
    name = resolve_protocol(dataset, asked)
    made = embeddings.identity.data  # an encoder's weights are of other pictures
    own = made["trained_on"] if made.get("dataset") == dataset else None
    return Protocol(name, plan, leak_of(plan, dataset, name, embeddings, f"run {made.get('run')}", own))


def _parts(store: Store, name: str, protocol: Protocol) -> tuple[ProbeData, ProbeData]:
    """Training and test part; raises one clear error where they cannot be scored."""
    train, test = (read_part(store, name, protocol, part) for part in ("train", "test"))
    _require_common_classes(train, test, protocol)
    return train, test


def _probe(store: Store, folder: str, task: Task, protocol: Protocol, workers: int) -> None:
    train, test = task.train, task.test
    probe, choice = fit_probe(task.kind, train, task.config, workers)
    ids, scores = average_by_recording(probe_scores(probe, test.x), test.recording_ids)
    label_of = dict(zip(test.recording_ids.tolist(), test.labels.tolist(), strict=True))
    labels = np.array([label_of[recording] for recording in ids])
    metrics = score(scores, labels, probe.classes)
    names = protocol.label_names()
    record = {
        "embeddings": task.embeddings,
        "protocol": protocol.name,
        "probe": task.kind,
        "leak": protocol.leak,
        "n_train": len(np.unique(train.recording_ids)),
        "n_test": len(ids),
        "n_test_planned": len(protocol.labelled("test")),
        "chance": 1 / len(probe.classes),
        "majority": float(np.mean(labels == _majority(train))),
        "classes": [names[int(label)] for label in probe.classes],
        "choice": asdict(choice) | {"accuracy": {str(value): part for value, part in choice.accuracy.items()}},
        **asdict(metrics),
        "confusion": metrics.confusion.tolist(),
    }
    predicted = probe.classes[scores.argmax(axis=1)]
    table = pa.table({"recording_id": ids, "label": labels, "predicted": predicted, "scores": scores.tolist()})
    store.write_bytes(f"{folder}/predictions.parquet", parquet_bytes(table))
    store.write_bytes(f"{folder}/metrics.json", json.dumps(record, indent=1, sort_keys=True).encode())


def _majority(train: ProbeData) -> int:
    """The class with most training recordings."""
    label_of = dict(zip(train.recording_ids.tolist(), train.labels.tolist(), strict=True))
    return int(np.bincount(list(label_of.values())).argmax())


def read_part(store: Store, name: str, protocol: Protocol, part: str) -> ProbeData:
    """Rows of the labelled recordings in a part of the protocol."""
    folder = f"embeddings/{name}"
    files = [f"{folder}/{summary.file}" for summary in read_manifest(store, folder, MAKE_EMBEDDINGS).shards]
    tables = [read_parquet(store, file) for file in files]
    table = pa.concat_tables([table for table in tables if table.num_rows] or tables[:1])
    ids = np.array(table["recording_id"].to_pylist(), dtype=np.str_)
    labelled = {
        i for i in recordings_in(protocol.plan, protocol.name, part) if protocol.plan[i].recording.label is not None
    }
    keep = np.isin(ids, sorted(labelled))
    if not keep.any():
        raise MotionpipeError(
            f"protocol {protocol.name} has no labelled recording in its {part} part here; nothing to classify"
        )
    x = np.asarray(table["embedding"].combine_chunks().flatten()).reshape(table.num_rows, -1)[keep]
    recordings = [protocol.plan[i].recording for i in ids[keep].tolist()]
    labels = np.array([recording.label for recording in recordings], dtype=np.int64)
    return ProbeData(x.astype(np.float32), labels, ids[keep], np.array([group_of(r) for r in recordings]))


def _require_common_classes(train: ProbeData, test: ProbeData, protocol: Protocol) -> None:
    names = protocol.label_names()
    known, asked = set(train.labels.tolist()), set(test.labels.tolist())
    if not known & asked:
        raise MotionpipeError(
            f"protocol {protocol.name}: no class of the test part ({', '.join(names[c] for c in sorted(asked))}) has a "
            f"training recording here ({', '.join(names[c] for c in sorted(known))}); more recordings are needed"
        )


def figures_table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of a table of probe figures; top-5 of five classes or fewer says nothing and is left out."""
    head = f"{'embeddings':28} {'probe':7} {'top-1':>6} {'top-5':>6} {'class':>6} {'mAP':>6} {'chance':>7} {'major':>6}"
    return [f"{head} n_train  n_test", *(_figures_line(row) for row in rows)]


def _figures_line(row: dict[str, Any]) -> str:
    top5 = f"{row['top5']:6.3f}" if len(row["classes"]) > 5 else f"{'–':>6}"
    tested = f"{row['n_test']}/{row['n_test_planned']}"
    return (
        f"{row['embeddings']:28} {row['probe']:7} {row['top1']:6.3f} {top5} {row['mean_class_accuracy']:6.3f} "
        f"{row['mean_ap']:6.3f} {row['chance']:7.3f} {row['majority']:6.3f} {row['n_train']:7} {tested:>7}"
        + ("  LEAK" if row["leak"] else "")
    )
