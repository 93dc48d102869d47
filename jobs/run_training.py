"""A run from its job to its manifest: over Ray Train workers, or in this process; the same name resumes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import click

from ..pipeline.clip_plan import TrainSample, require_even_share, steps_in_epoch
from ..pipeline.store import Store
from ..pipeline.train_samples import TrainSamples, samples_to_bytes
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe
from ..schemas.report import Identity, Manifest, ShardSummary
from ..schemas.training import LoopSection
from .artefact_lock import artefact_lock
from .metrics_log import read_metrics
from .options import RunOptions
from .progress import Progress
from .run_files import RunFiles
from .stage import StageResult, open_artefact
from .train_job import LoopOptions, TrainJob


@dataclass(frozen=True)
class Artefact:
    """What a run is as an artefact: its identity, the resolved recipe, and the names of what it was made from."""

    identity: Identity
    recipe: Recipe
    info: dict[str, Any]


def run_training(
    job: TrainJob, samples: Sequence[TrainSample], artefact: Artefact, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Train to the last epoch, from wherever the run stands, and write its manifest."""
    start, store, identity = time.monotonic(), job.store, artefact.identity
    if job.weights:  # a file that does not fit is told before anything of the run is written
        from .learners import LEARNERS

        LEARNERS[job.learner].build(job)
    split = split_samples(samples, job.loop)
    total = steps_in_epoch(len(split.learned), job.loop) * job.loop.epochs
    files = RunFiles(store, job.run)
    with artefact_lock(store, files.folder):
        finished = open_artefact(store, files.folder, identity, artefact.recipe, artefact.info | {"steps": total})
        if finished:
            click.echo(f"{files.folder}: finished already, nothing to do")
        else:
            store.write_bytes(job.samples_file, samples_to_bytes(split))
            with _following(files, total):
                _start(job, options, loop)
            seconds = time.monotonic() - start
            _finish(files, identity, {"seconds": round(seconds, 3), "workers": options.workers} | _speed(loop))
            click.echo(f"{files.folder}: {_summary(files)}, {seconds:.1f} s")
    manifest = Manifest.model_validate_json(store.read_bytes(f"{files.folder}/manifest.json"))
    return StageResult(files.folder, manifest.totals, time.monotonic() - start, not finished)


def require_runnable(store: Store, config: LoopSection, options: RunOptions) -> None:
    """Raise where the store is no folder, since a run appends to its files, or workers cannot share a step evenly."""
    if not store.is_local:
        raise MotionpipeError(f"train-cluster needs a store in a folder that all workers share, not {store.uri}")
    require_even_share(config, options.workers)


def split_samples(samples: Sequence[TrainSample], config: LoopSection) -> TrainSamples:
    """Samples to learn from and samples to watch; one clear error where none can be held out."""
    split = TrainSamples.split(samples, config.holdout, config.seed)
    if config.holdout and not split.held_out:
        raise MotionpipeError(
            "holdout needs training samples of two groups (subjects, source films) or more, these are all of one; "
            "set holdout=0"
        )
    if split.held_out:
        groups = len({sample.group for sample in split.held_out})
        click.echo(f"  {len(split.held_out)} of {len(samples)} training samples ({groups} groups) are held out")
    return split


def _start(job: TrainJob, options: RunOptions, loop: LoopOptions) -> None:
    if options.workers:
        from .ray_train import train_over_ray

        train_over_ray(job, options, loop)
        return
    import torch

    from .train_data import open_data
    from .train_loop import Worker, train

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train(Worker(job, *open_data(job), device, loop))


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


def _speed(loop: LoopOptions) -> dict[str, Any]:
    """What the manifest says of options that may change the last bits."""
    return {"compiled": True} if loop.compiled else {}


def _finish(files: RunFiles, identity: Identity, info: dict[str, Any]) -> None:
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
    manifest = Manifest.of(identity, [], info)
    complete = manifest.model_copy(
        update={"shards": (summary,), "hash": summary.sha256, "totals": {"steps": rows[-1]["step"]}}
    )
    files.store.write_bytes(f"{files.folder}/manifest.json", complete.model_dump_json(indent=1).encode())


def _summary(files: RunFiles) -> str:
    """First and last loss, the last as a mean over some rows, since a batch's own loss is noisy; waits for data."""
    rows = read_metrics(files.store, files.folder)
    last = {name: fmean(row[name] for row in rows[-10:]) for name in rows[-1] if name in _SUMMED}
    words = [f"{rows[-1]['step']} steps", f"loss {rows[0]['loss']:.3f} → {last.pop('loss'):.3f}"]
    words += [f"{name.replace('_', ' ')} {value:.3f}" for name, value in last.items()]
    if "held_out_loss" in rows[-1]:
        best = min((row for row in rows if "held_out_loss" in row), key=lambda row: float(row["held_out_loss"]))
        words.append(f"held-out loss {best['held_out_loss']:.3f} at its best, after epoch {best['epoch'] + 1}")
    return ", ".join([*words, f"{100 * fmean(row['data_wait'] for row in rows[1:] or rows):.1f} % waiting for data"])


_SUMMED = ("loss", "accuracy", "moving_accuracy")
