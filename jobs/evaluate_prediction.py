"""`motionpipe evaluate --on prediction`: how well an LSTM foresees and reconstructs the test part, running freely."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click
import numpy as np
import torch

from ..models.lstm import SequenceBatch
from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest
from ..pipeline.clip_plan import ClipRef, TrainSample
from ..pipeline.score_prediction import DecoderScore, score_predictions
from ..pipeline.sequence_clips import SequenceSource, open_sequences
from ..pipeline.splits import planned_by_recording, resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.lstm_section import LSTMSection
from ..schemas.recipe import Recipe
from ..schemas.report import Identity, Manifest, ShardSummary, content_hash
from .artefact_lock import artefact_lock
from .learn_lstm import frames_needed
from .options import RunOptions
from .pretrain_lstm import sequence_samples
from .progress import Progress
from .provenance import leak_of
from .run_files import RunFiles, load_checkpoint
from .stage import StageResult, open_artefact
from .train_data import learner_of, network_of

MADE_BY = "motionpipe train-cluster --model lstm --name …"
FILE = "metrics.json"


def evaluate_prediction(
    store: Store, recipe: Recipe, run: str | None, protocol: str | None, options: RunOptions, allow_leak: bool = False
) -> StageResult:
    """Score one sequence of each test sample, save and show the figures."""
    start = time.monotonic()
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    run = run or only_artefact(store, "runs", "--run", MADE_BY)
    trained = require_predictor(store, run)
    trained_on = trained.identity.data["protocol"]
    dataset = shards.identity.data["dataset"]
    name = resolve_protocol(dataset, protocol or trained_on)
    leak = leak_of(planned_by_recording(store), dataset, name, trained, f"run {run}", trained_on)
    if leak and not allow_leak:
        raise MotionpipeError(f"{leak}; pass --allow-leak to score it all the same")
    folder = f"evaluations/{run}/{name}-prediction"
    identity = Identity(
        stage="evaluate",
        section={"on": "prediction"},
        data={"protocol": name},
        parents={"shards": shards.hash, "run": trained.hash},
    )
    with artefact_lock(store, folder):
        finished = open_artefact(store, folder, identity, recipe, {}, f"remove {folder} to score it anew")
        if finished:
            click.echo(f"{folder}: finished already, nothing to do")
        else:
            record = _score(store, run, trained, shards, name, recipe.evaluate.batch, options)
            _finish(store, folder, identity, record | {"leak": leak}, time.monotonic() - start)
    record = json.loads(store.read_bytes(f"{folder}/{FILE}"))
    click.echo("\n".join(prediction_table(record)))
    return StageResult(folder, {}, time.monotonic() - start, not finished, 0, record)


def require_predictor(store: Store, run: str) -> Manifest:
    """The manifest of a finished LSTM that was pre-trained; one clear error where the run is anything else."""
    trained = read_manifest(store, RunFiles(store, run).folder, MADE_BY)
    data = trained.identity.data
    if data["model"] != "lstm" or data["task"] != "pretrain":
        raise MotionpipeError(f"run {run} is no pre-trained lstm: {data['model']}, {data['task']}; make one: {MADE_BY}")
    return trained


def load_predictor(store: Store, run: str, trained: Manifest, device: torch.device) -> Any:
    """The network of a run, in evaluation mode."""
    model = load_checkpoint(store, f"{RunFiles(store, run).folder}/{trained.shards[0].file}")["model"]
    return learner_of(trained).restore(network_of(trained), model).to(device)


def first_sequences(
    source: SequenceSource, samples: Sequence[TrainSample], network: LSTMSection, batch: int, device: torch.device
) -> Iterator[SequenceBatch]:
    """Batches of the sequences with which samples begin; of patches those at one place of each."""
    for first in range(0, len(samples), batch):
        part = samples[first : first + batch]
        rows = [source.read(sample, ClipRef(0, 0, 0.5, 0.5, flip=False), frames_needed(network)) for sample in part]
        yield SequenceBatch(torch.from_numpy(np.concatenate(rows)).to(device))


def prediction_table(record: dict[str, Any]) -> list[str]:
    """Lines of a table: each decoder beside what costs nothing."""
    lines = [f"{'':16} {record['unit']}", f"{'decoder':16} {'loss':>9} {'last frame':>10} {'constant':>9} {'floor':>8}"]
    for name, score in record["decoders"].items():
        figures = f"{score['loss']:9.2f} {score['last_frame']:10.2f} {score['constant']:9.2f} {score['floor']:8.2f}"
        lines.append(f"{name:16} {figures}")
    return lines


def _score(
    store: Store, run: str, trained: Manifest, shards: Manifest, protocol: str, batch: int, options: RunOptions
) -> dict[str, Any]:
    torch.set_num_threads(1)
    device, network = torch.device(options.device), network_of(trained)
    samples = sequence_samples(store, shards, protocol, "test", network)
    net, source = load_predictor(store, run, trained, device), open_sequences(store, network)
    progress, scored = Progress(run, len(samples), "sequences"), 0

    def counted() -> Iterator[SequenceBatch]:
        nonlocal scored
        for part in first_sequences(source, samples, network, batch, device):
            yield part
            progress.add(min(batch, len(samples) - scored))
            scored += batch

    scores = score_predictions(net, counted())
    progress.close()
    return {
        "run": run,
        "protocol": protocol,
        "input": network.input,
        "unit": "nats a frame" if network.output == "bernoulli" else "half the squared error a frame",
        "samples": len(samples),
        "decoders": {name: _rounded(score) for name, score in scores.items()},
    }


def _rounded(score: DecoderScore) -> dict[str, Any]:
    return {
        name: [round(v, 4) for v in value] if isinstance(value, list) else round(value, 4)
        for name, value in asdict(score).items()
    }


def _finish(store: Store, folder: str, identity: Identity, record: dict[str, Any], seconds: float) -> None:
    """The figures, then the manifest with their hash."""
    data = json.dumps(record, indent=1, sort_keys=True).encode()
    store.write_bytes(f"{folder}/{FILE}", data)
    sha256 = hashlib.sha256(data).hexdigest()
    files = (ShardSummary(shard=0, file=FILE, sha256=sha256, read=0, written=0, rejected=0),)
    manifest = Manifest.of(identity, [], {"seconds": round(seconds, 3)})
    whole = manifest.model_copy(update={"shards": files, "hash": content_hash(identity, files)})
    store.write_bytes(f"{folder}/manifest.json", whole.model_dump_json(indent=1).encode())
