"""`motionpipe evaluate`: a fine-tuned classifier on the test part, clips averaged by recording."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.clip_plan import TrainSample
from ..pipeline.metrics import average_by_recording, score
from ..pipeline.parquet_files import parquet_bytes
from ..pipeline.score_clips import ClipScorer
from ..pipeline.splits import planned_by_recording, resolve_protocol
from ..pipeline.store import Store
from ..pipeline.train_samples import samples_from_bytes
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import EvaluateSection, Recipe
from ..schemas.report import Identity, Manifest, ShardSummary, content_hash
from .artefact_lock import artefact_lock
from .begin_from import settings_hash
from .classify import Protocol
from .device import mention_idle_gpu, require_device
from .evaluation_table import evaluation_table
from .options import RunOptions
from .progress import Progress
from .provenance import leak_of
from .ray_map import map_shards
from .run_files import RunFiles, load_checkpoint
from .stage import StageResult, open_artefact
from .train_data import flow_of, labelled_samples, learner_of, network_of, with_stored_flow

MADE_BY = "motionpipe train-cluster --task classify --init … --name …"

FILES = ("metrics.json", "predictions.parquet")

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What a worker scores: samples of the test part, by shard, with the weights of a run."""

    store: Store
    run: str
    trained: Manifest
    section: EvaluateSection
    samples: dict[int, list[TrainSample]]


@dataclass(frozen=True)
class Scored:
    """Test recordings, their labels int64 (N,) and averaged scores (N, classes), from so many clips."""

    recordings: list[str]
    labels: npt.NDArray[np.int64]
    scores: Scores
    clips: int


def evaluate(
    store: Store, recipe: Recipe, run: str | None, protocol: str | None, options: RunOptions, allow_leak: bool = False
) -> StageResult:
    """Score the test part of the protocol (default: the one that the run was trained on), save and show the figures."""
    result = evaluate_quietly(store, recipe, run, protocol, options, allow_leak)
    click.echo("\n".join(evaluation_table(evaluations(store, result.info["protocol"]))))
    return result


def evaluate_quietly(
    store: Store, recipe: Recipe, run: str | None, protocol: str | None, options: RunOptions, allow_leak: bool = False
) -> StageResult:
    """The same without the table of figures."""
    start = time.monotonic()
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    run = run or only_classifier(store)
    trained = read_manifest(store, RunFiles(store, run).folder, MADE_BY)
    if trained.identity.stage != "finetune":
        raise MotionpipeError(
            f"run {run} was pre-trained; what is scored here is trained with --task classify: {MADE_BY}"
        )
    if recipe.evaluate.crops > 1 and learner_of(trained).show_crops is None:
        raise MotionpipeError(f"run {run} has no protocol of {recipe.evaluate.crops} crops; set evaluate.crops=1")
    asked = protocol or trained.identity.data["protocol"]
    scored = scored_protocol(store, shards.identity.data["dataset"], asked, run, trained)
    if scored.leak and not allow_leak:
        raise MotionpipeError(f"{scored.leak}; pass --allow-leak to score it all the same")
    folder = f"evaluations/{run}/{place_of(scored.name, recipe.evaluate.crops)}"
    identity = Identity(
        stage="evaluate",
        section=recipe.evaluate.model_dump(mode="json", include={"num_clips", "crops", "average"}),
        data={"protocol": scored.name},
        parents={"shards": shards.hash, "run": trained.hash},
    )
    with artefact_lock(store, folder):
        finished = open_artefact(store, folder, identity, recipe, {}, f"remove {folder} to score it anew")
        if finished:
            click.echo(f"{folder}: finished already, nothing to do")
        else:
            mention_idle_gpu(options)
            samples = _test_samples(store, shards, scored.name, trained)
            task = Task(store, run, trained, recipe.evaluate, samples)
            _score(task, folder, scored, options)
            info = {"seconds": round(time.monotonic() - start, 3), "workers": options.workers}
            finish(store, folder, FILES, identity, info)
    record = json.loads(store.read_bytes(f"{folder}/metrics.json"))
    unscored = 1 - record["n_test"] / record["n_test_planned"]
    code = 3 if unscored > options.max_reject_rate else 0
    return StageResult(folder, {}, time.monotonic() - start, not finished, code, record)


def place_of(protocol: str, crops: int) -> str:
    """The name of an evaluation's folder: figures of ten crops stand beside those of one."""
    return protocol if crops == 1 else f"{protocol}-{crops}-crops"


def _test_samples(store: Store, shards: Manifest, protocol: str, trained: Manifest) -> dict[int, list[TrainSample]]:
    """Labelled samples of the test part that the network can see, by shard."""
    modality, flow = learner_of(trained).modality(network_of(trained)), flow_of(trained)
    by_shard: dict[int, list[TrainSample]] = {}
    labelled = labelled_samples(store, shards, protocol, "test", modality, flow)
    for sample in with_stored_flow(store, network_of(trained), labelled):
        by_shard.setdefault(sample.shard, []).append(sample)
    return by_shard


def only_classifier(store: Store) -> str:
    """The name of the one finished classifier; an error that lists them where there are more, or none."""
    finished = [name for name in store.list("runs") if store.exists(f"runs/{name}/manifest.json")]
    names = [name for name in finished if read_manifest(store, f"runs/{name}", "").identity.stage == "finetune"]
    if len(names) != 1:
        raise MotionpipeError(
            f"runs/ holds {', '.join(names)}; choose one with --run" if names else f"no classifier here; run: {MADE_BY}"
        )
    return names[0]


def scored_protocol(store: Store, dataset: str, asked: str, run: str, trained: Manifest) -> Protocol:
    """The protocol, and what of its test part the run has seen, or what it began from or reads."""
    plan, name = planned_by_recording(store), resolve_protocol(dataset, asked)
    own = trained.identity.data["protocol"]
    return Protocol(name, plan, leak_of(plan, dataset, name, trained, f"run {run}", own))


def scoring_worker(task: Task, device: str) -> Callable[[int], list[tuple[str, Scores]]]:
    """Scores (clips, classes) of each sample of a shard, by key; softmax or as the section says. Weights load once."""
    torch.set_num_threads(1)
    require_device(device)
    learner, network = learner_of(task.trained), network_of(task.trained)
    checkpoint = f"{RunFiles(task.store, task.run).folder}/{task.trained.shards[0].file}"
    clip_frames = int(task.trained.identity.section["clip_frames"])
    clips = learner.open(task.store, None, flow_of(task.trained).cell, network)
    show = learner.show if task.section.crops == 1 else learner.show_crops
    assert show is not None
    scorer = ClipScorer(
        cut=lambda sample: learner.cut(network, sample, task.section.num_clips, clip_frames),
        show=lambda sample, numbers: show(network, clips, sample, numbers),
        forward=learner.restore(network, load_checkpoint(task.store, checkpoint)["model"]).to(device),
        batch=task.section.batch,
        device=torch.device(device),
    )
    scores = scorer.scores if task.section.average == "softmax" else scorer.rows
    return lambda shard: [(sample.key, scores(sample)) for sample in task.samples[shard]]


def score_samples(task: Task, folder: str, options: RunOptions) -> Scored:
    """Score all samples of a task and average them by recording."""
    progress = Progress(folder, sum(map(len, task.samples.values())), "samples")
    by_key: dict[str, Scores] = {}
    for part in map_shards(partial(scoring_worker, task, options.device), sorted(task.samples), options):
        by_key.update(part)
        progress.add(len(part))
    progress.close()
    samples = sorted((s for part in task.samples.values() for s in part), key=lambda sample: sample.key)
    ids = [sample.recording_id for sample in samples for _ in by_key[sample.key]]
    recordings, scores = average_by_recording(np.concatenate([by_key[sample.key] for sample in samples]), ids)
    label_of = {sample.recording_id: sample.label for sample in samples}
    labels = np.array([label_of[recording] for recording in recordings], dtype=np.int64)
    return Scored(recordings, labels, scores, len(ids))


def _score(task: Task, folder: str, protocol: Protocol, options: RunOptions) -> None:
    """Score all shards, then write predictions and metrics."""
    scored = score_samples(task, folder, options)
    init = json.loads(task.store.read_bytes(f"runs/{task.run}/identity.json"))["info"]["init"]
    section, data = task.trained.identity.section, task.trained.identity.data
    settings = settings_hash(section | data)
    about = {"run": task.run, "init": init, "init_protocol": data["init_protocol"], "seed": section["seed"]}
    about |= {"n_train": _recordings_learned_from(task), "crops": task.section.crops}
    write_figures(task.store, folder, protocol, scored, data["labels"], about | {"settings": settings})


def write_figures(
    store: Store, folder: str, protocol: Protocol, scored: Scored, classes: Sequence[int], about: dict[str, Any]
) -> None:
    """Predictions and metrics of scored test recordings; column j scores the class index `classes[j]`."""
    columns = np.array(classes, dtype=np.int64)
    metrics = score(scored.scores, scored.labels, columns)
    names, train = protocol.label_names(), protocol.labelled("train")
    counts = np.bincount([protocol.plan[i].recording.label or 0 for i in train])
    record = about | {
        "protocol": protocol.name,
        "leak": protocol.leak,
        "clips": scored.clips,
        "n_test": len(scored.recordings),
        "n_test_planned": len(protocol.labelled("test")),
        "chance": 1 / len(columns),
        "majority": float(np.mean(scored.labels == counts.argmax())),
        "classes": [names[int(label)] for label in columns],
        **asdict(metrics),
        "confusion": metrics.confusion.tolist(),
    }
    table = {
        "recording_id": scored.recordings,
        "label": scored.labels,
        "predicted": columns[scored.scores.argmax(axis=1)],
        "scores": scored.scores.tolist(),
    }
    store.write_bytes(f"{folder}/predictions.parquet", parquet_bytes(pa.table(table)))
    store.write_bytes(f"{folder}/metrics.json", json.dumps(record, indent=1, sort_keys=True).encode())


def _recordings_learned_from(task: Task) -> int:
    """Recordings of the run's samples, which are fewer than the protocol's where it learned from a share of them."""
    samples = samples_from_bytes(task.store.read_bytes(f"{RunFiles(task.store, task.run).folder}/samples.npz"))
    return len({sample.recording_id for sample in (*samples.learned, *samples.held_out)})


def finish(store: Store, folder: str, names: Sequence[str], identity: Identity, info: dict[str, Any]) -> None:
    """The manifest of an evaluation, with the hashes of its files."""
    files = tuple(
        ShardSummary(
            shard=number,
            file=file,
            sha256=hashlib.sha256(store.read_bytes(f"{folder}/{file}")).hexdigest(),
            read=0,
            written=0,
            rejected=0,
        )
        for number, file in enumerate(names)
    )
    manifest = Manifest.of(identity, [], info)
    whole = manifest.model_copy(update={"shards": files, "hash": content_hash(identity, files)})
    store.write_bytes(f"{folder}/manifest.json", whole.model_dump_json(indent=1).encode())


def evaluations(store: Store, protocol: str) -> list[dict[str, Any]]:
    """Figures of all finished evaluations on a protocol, of any number of crops."""
    places = (
        f"evaluations/{run}/{place}"
        for run in store.list("evaluations")
        for place in store.list(f"evaluations/{run}")
        if place == protocol or (place.startswith(f"{protocol}-") and place.endswith("-crops"))
    )
    done = [place for place in places if store.exists(f"{place}/manifest.json")]
    return [json.loads(store.read_bytes(f"{place}/metrics.json")) for place in done]
