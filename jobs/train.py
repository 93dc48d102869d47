"""`motionpipe train-cluster`: a run over Ray Train workers, or in this process; the same name resumes."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import click

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest, read_samples
from ..pipeline.batches_atomic_flow import STREAMS
from ..pipeline.clip_plan import TrainSample, plan_epoch
from ..pipeline.estimate_flow import STREAM_OF_METHOD
from ..pipeline.read_sample import has_stream
from ..pipeline.splits import planned_by_recording, recordings_in, resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe, TrainSection
from ..schemas.report import Identity, Manifest, ShardSummary
from .artefact_lock import artefact_lock
from .codebook import MADE_BY as MAKE_CODEBOOK
from .codebook import export_learned, read_codebook
from .metrics_log import read_metrics
from .options import RunOptions
from .progress import Progress
from .run_files import RunFiles
from .stage import StageResult, open_artefact
from .train_loop import TrainJob, require_even_share


@dataclass(frozen=True)
class Parents:
    """What a run is trained on."""

    dataset: str
    protocol: str
    shards: Manifest
    flow_name: str
    flow: Manifest
    book: str


def train_cluster(store: Store, recipe: Recipe, book: str | None, run: str, options: RunOptions) -> StageResult:
    """Train `run` to its last epoch, from wherever it stands."""
    start = time.monotonic()
    if not store.is_local:
        raise MotionpipeError(f"train-cluster needs a store in a folder that all workers share, not {store.uri}")
    require_even_share(recipe.train, options.workers)
    parents = find_parents(store, recipe, book)
    recipe = recipe.model_copy(update={"train": resolve_modality(recipe.train, parents.flow)})
    codebook, sha256 = read_codebook(store, parents.book)
    # everything that can be wrong with the input is found before the name is taken
    samples = training_samples(store, parents, recipe.train)
    identity = Identity(
        stage="train",
        section=recipe.train.model_dump(mode="json"),
        data={"protocol": parents.protocol},
        parents={"shards": parents.shards.hash, "flow": parents.flow.hash, "codebook": sha256},
    )
    files = RunFiles(store, run)
    info = {"flow": parents.flow_name, "codebook": parents.book}
    with artefact_lock(store, files.folder):
        finished = open_artefact(store, files.folder, identity, recipe, info)
        if finished:
            click.echo(f"{files.folder}: finished already, nothing to do")
        else:
            job = TrainJob(
                store=store,
                run=run,
                flow_folder=f"flow/{parents.flow_name}",
                cell=int(parents.flow.identity.section["cell"]),
                samples=tuple(samples),
                codebook=codebook,
                codebook_sha256=sha256,
                config=recipe.train,
            )
            _run_job(job, files, options)
            _finish(files, identity, time.monotonic() - start, options)
            click.echo(f"{files.folder}: {_summary(files)}, {time.monotonic() - start:.1f} s")
        if codebook.kind == "learnable":
            export_learned(store, recipe, run, files.checkpoints()[-1], options)
    manifest = Manifest.model_validate_json(store.read_bytes(f"{files.folder}/manifest.json"))
    return StageResult(files.folder, manifest.totals, time.monotonic() - start, not finished)


def resolve_modality(config: TrainSection, flow: Manifest) -> TrainSection:
    """ "auto" becomes the stream that the flow's method reads."""
    if config.modality != "auto":
        return config
    return config.model_copy(update={"modality": STREAM_OF_METHOD[flow.identity.section["method"]]})


def find_parents(store: Store, recipe: Recipe, book: str | None) -> Parents:
    """The codebook, its flow and the shards; errors name what is missing."""
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    dataset = shards.identity.data["dataset"]
    protocol = resolve_protocol(dataset, recipe.data.protocol)
    book = book or only_artefact(store, "targets", "--codebook", MAKE_CODEBOOK)
    read_manifest(store, f"targets/{book}", MAKE_CODEBOOK)
    report = json.loads(store.read_bytes(f"codebook/{book}/report.json"))
    if report["protocol"] != protocol:
        raise MotionpipeError(
            f"codebook {book} was fitted on the training part of {report['protocol']}, this run asks for {protocol}; "
            f"make one with --protocol {protocol} and another --name"
        )
    flow = read_manifest(store, f"flow/{report['flow']}", MAKE_CODEBOOK)
    return Parents(dataset, protocol, shards, report["flow"], flow, book)


def training_samples(store: Store, parents: Parents, config: TrainSection) -> list[TrainSample]:
    """Samples of the protocol's training part that have the modality's streams and are long enough for a clip.

    Streams that the flow does not lie on must be registered to those that it does.
    """
    grid_stream = STREAM_OF_METHOD[parents.flow.identity.section["method"]]
    needed = STREAMS[config.modality]
    train = recordings_in(planned_by_recording(store), parents.protocol, "train")
    frames = {entry.key: entry for _, entry in read_samples(store, SHARDS, parents.shards)}
    chosen = [
        TrainSample(shard, frames[entry.key], entry)
        for shard, entry in read_samples(store, f"flow/{parents.flow_name}", parents.flow)
        if entry.recording_id in train
    ]
    if needed != (grid_stream,):
        chosen = _registered(chosen, config.modality, grid_stream)
    with_streams = [s for s in chosen if all(has_stream(s.frames, stream) for stream in needed)]
    usable = [s for s in with_streams if s.num_starts]
    if not with_streams:
        raise MotionpipeError(
            f"none of the {len(chosen)} training samples of {parents.protocol} has {config.modality} frames"
        )
    if not usable:
        raise MotionpipeError(
            f"all {len(with_streams)} training samples of {parents.protocol} are too short: a clip needs two flow "
            f"steps (flow.step_s or flow.stride) and one more frame"
        )
    if len(usable) < len(chosen):
        click.echo(
            f"  {len(chosen) - len(usable)} of {len(chosen)} training samples are too short for a clip", err=True
        )
    return usable


def _registered(samples: list[TrainSample], modality: str, grid_stream: str) -> list[TrainSample]:
    """Those whose RGB and depth share a frame; an error where there are none."""
    registered = [sample for sample in samples if sample.frames.registered]
    if not registered:
        raise MotionpipeError(
            f"modality {modality} reads {' and '.join(STREAMS[modality])}, the flow lies on the {grid_stream} frames "
            f"and RGB is not registered to depth; set train.modality={grid_stream}"
        )
    if len(registered) < len(samples):
        click.echo(
            f"  {len(samples) - len(registered)} of {len(samples)} training samples have RGB that is not registered "
            "to depth",
            err=True,
        )
    return registered


def _run_job(job: TrainJob, files: RunFiles, options: RunOptions) -> None:
    total = len(plan_epoch(job.samples, 0, job.config)) * job.config.epochs
    with _following(files, total):
        if options.workers == 0:
            import torch

            from .train_loop import train

            train(job, 0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        else:
            from .ray_train import train_over_ray

            train_over_ray(job, options)


@contextmanager
def _following(files: RunFiles, total: int) -> Iterator[None]:
    """Show the run's progress while it goes on, read from its own metrics file."""
    begun = files.latest_step()
    progress, stop = Progress(files.folder, total - begun, "steps"), threading.Event()

    def follow(done: int) -> None:
        while not stop.wait(1.0):
            rows = read_metrics(files.store, files.folder)
            if rows and rows[-1]["step"] > done:
                progress.add(rows[-1]["step"] - done, f"loss {rows[-1]['loss']:.4f}")
                done = rows[-1]["step"]

    thread = threading.Thread(target=partial(follow, begun), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        progress.close()


def _finish(files: RunFiles, identity: Identity, seconds: float, options: RunOptions) -> None:
    """The manifest: the run's last checkpoint and its hash."""
    last = files.checkpoints()[-1]
    data = files.store.read_bytes(last)
    summary = ShardSummary(
        shard=0,
        file=last.removeprefix(f"{files.folder}/"),
        sha256=hashlib.sha256(data).hexdigest(),
        read=1,
        written=1,
        rejected=0,
    )
    rows = read_metrics(files.store, files.folder)
    manifest = Manifest.of(identity, [], {"seconds": round(seconds, 3), "workers": options.workers})
    complete = manifest.model_copy(
        update={"shards": (summary,), "hash": summary.sha256, "totals": {"steps": rows[-1]["step"]}}
    )
    files.store.write_bytes(f"{files.folder}/manifest.json", complete.model_dump_json(indent=1).encode())


def _summary(files: RunFiles) -> str:
    """First and last loss, the last as a mean over some rows, since a batch's own loss is noisy."""
    rows = read_metrics(files.store, files.folder)
    last = {name: fmean(row[name] for row in rows[-10:]) for name in ("loss", "accuracy", "moving_accuracy")}
    return (
        f"{rows[-1]['step']} steps, loss {rows[0]['loss']:.3f} → {last['loss']:.3f}, "
        f"accuracy {last['accuracy']:.3f} (moving cells {last['moving_accuracy']:.3f})"
    )
