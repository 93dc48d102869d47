"""`motionpipe evaluate --on motion`: frames that a CGM-Net synthesises, beside copying and optical flow."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..models.cgm_net import CgmNet
from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.batches_cgm_net import read_clip
from ..pipeline.clip_plan import ClipRef, TrainSample
from ..pipeline.measure_frames import COPY, Figures, measure_frames
from ..pipeline.motion_clips import draw_motion_clips
from ..pipeline.optical_flow import SMALLEST_SIDE
from ..pipeline.parquet_files import parquet_bytes
from ..pipeline.store import Store
from ..pipeline.stored_frames import StoredFrames
from ..schemas.cgm_net import CgmNetSection
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import EvaluateSection, Recipe
from ..schemas.report import Identity, Manifest
from .artefact_lock import artefact_lock
from .device import mention_idle_gpu, require_device
from .evaluate import finish, scored_protocol
from .learn_cgm_net import synthesiser_of
from .motion_table import motion_table
from .options import RunOptions
from .pretrain_cgm_net import rgb_samples
from .progress import Progress
from .ray_map import map_shards
from .run_files import RunFiles, load_checkpoint
from .stage import StageResult, open_artefact
from .train_data import learner_of, network_of

MADE_BY = "motionpipe train-cluster --model cgm-net --name …"
FILES = ("metrics.json", "clips.parquet", "clips.csv")

SMALLEST_WHOLE_PX = 96
"""Crops from here on have a cell of the encoder's last stage that does not touch the border."""

Clips = list[tuple[TrainSample, ClipRef]]


@dataclass(frozen=True)
class Task:
    """What a worker measures: clips of the test part, by shard, with the weights of a run; `config` says their size."""

    store: Store
    run: str
    trained: Manifest
    config: CgmNetSection
    clips: dict[int, Clips]


def evaluate_motion(
    store: Store, recipe: Recipe, run: str | None, protocol: str | None, options: RunOptions, allow_leak: bool = False
) -> StageResult:
    """Measure clips of the test part of the protocol (default: the one that the run was trained on), save and show."""
    start = time.monotonic()
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    run = run or only_synthesiser(store)
    trained = read_manifest(store, RunFiles(store, run).folder, MADE_BY)
    if not synthesises(trained):
        raise MotionpipeError(f"run {run} synthesises no frames; make one that does: {MADE_BY}")
    asked = protocol or trained.identity.data["protocol"]
    scored = scored_protocol(store, shards.identity.data["dataset"], asked, run, trained)
    if scored.leak and not allow_leak:
        raise MotionpipeError(f"{scored.leak}; pass --allow-leak to measure it all the same")
    config = sized(network_of(trained), recipe.evaluate)
    if config.crop > network_of(trained).crop < SMALLEST_WHOLE_PX:
        click.echo(
            f"  trained on crops of {network_of(trained).crop} px, most of which is the border to the encoder's last "
            f"stage: at {config.crop} px it sees what it has not learned from",
            err=True,
        )
    folder = f"evaluations/{run}/{scored.name}-motion-{config.crop}"
    fields = {"motion_clips", "motion_side", "motion_seed"}
    identity = Identity(
        stage="evaluate",
        section={"on": "motion"} | recipe.evaluate.model_dump(mode="json", include=fields),
        data={"protocol": scored.name},
        parents={"shards": shards.hash, "run": trained.hash},
    )
    with artefact_lock(store, folder):
        finished = open_artefact(store, folder, identity, recipe, {}, f"remove {folder} to measure it anew")
        if finished:
            click.echo(f"{folder}: finished already, nothing to do")
        else:
            mention_idle_gpu(options)
            clips = test_clips(store, shards, scored.name, config, recipe.evaluate)
            rows = _measure(Task(store, run, trained, config, _by_shard(clips)), folder, options)
            _save(store, folder, rows, {"run": run, "protocol": scored.name, "leak": scored.leak, "side": config.crop})
            info = {"seconds": round(time.monotonic() - start, 3), "workers": options.workers}
            finish(store, folder, FILES, identity, info)
    record = json.loads(store.read_bytes(f"{folder}/metrics.json"))
    click.echo("\n".join(motion_table(record)))
    return StageResult(folder, {}, time.monotonic() - start, not finished, 0, record)


def only_synthesiser(store: Store) -> str:
    """The name of the one finished CGM-Net run; an error that lists them where there are more, or none."""
    finished = [name for name in store.list("runs") if store.exists(f"runs/{name}/manifest.json")]
    names = [name for name in finished if synthesises(read_manifest(store, f"runs/{name}", ""))]
    if len(names) != 1:
        raise MotionpipeError(
            f"runs/ holds {', '.join(names)}; choose one with --run" if names else f"no such run here; run: {MADE_BY}"
        )
    return names[0]


def synthesises(trained: Manifest) -> bool:
    """Whether a run has learned to make frames."""
    return bool(trained.identity.data["model"] == "cgm-net" and network_of(trained).synthesises)


def sized(config: CgmNetSection, evaluate: EvaluateSection) -> CgmNetSection:
    """The network with clips of the asked side, which show the same part of the picture as its crops."""
    side = evaluate.motion_side or config.crop
    if side % config.scale:
        raise MotionpipeError(f"evaluate.motion_side {side} must be a multiple of the run's scale {config.scale}")
    if side < SMALLEST_SIDE["dis-fast"]:
        raise MotionpipeError(f"crops of {side} px are too small for optical flow: set evaluate.motion_side=32 or more")
    short = round(config.frame_short_side * side / config.crop)
    return config.model_copy(update={"crop": side, "frame_short_side": short})


def test_clips(
    store: Store, shards: Manifest, protocol: str, config: CgmNetSection, evaluate: EvaluateSection
) -> Clips:
    """The clips that the seed draws from the test part; one clear error where no recording is long enough."""
    samples = rgb_samples(store, shards, protocol, "test", config)
    refs = draw_motion_clips(samples, evaluate.motion_clips, config.clip_frames, evaluate.motion_seed)
    if not refs:
        raise MotionpipeError(
            f"no test recording of {protocol} has {config.clip_frames * config.frame_step + 1} frames, a clip and the "
            "frame after it"
        )
    return [(samples[ref.sample], ref) for ref in refs]


def measuring_worker(task: Task, device: str) -> Callable[[int], list[tuple[str, dict[str, Figures]]]]:
    """Figures of each clip of a shard by method, by key of its sample. The weights are loaded once a worker."""
    torch.set_num_threads(1)
    require_device(device)
    checkpoint = f"{RunFiles(task.store, task.run).folder}/{task.trained.shards[0].file}"
    learner, network = learner_of(task.trained), network_of(task.trained)
    net = synthesiser_of(learner.restore(network, load_checkpoint(task.store, checkpoint)["model"]))
    synthesise = partial(successors, net.to(device))
    source = StoredFrames(task.store)

    def figures(sample: TrainSample, ref: ClipRef) -> dict[str, Figures]:
        frames, _ = read_clip(source, sample, ref, task.config)
        return measure_frames(torch.from_numpy(frames), synthesise)

    return lambda shard: [(sample.key, figures(sample, ref)) for sample, ref in task.clips[shard]]


@torch.inference_mode()
def successors(net: CgmNet, frames: Tensor) -> Tensor:
    """What the network makes of T frames (T, 3, S, S): their successors."""
    clip = frames[None].to(next(net.parameters()).device)
    return net.predict(clip, net(clip).hr, net.config.dilation_hr)[0].cpu()


def _by_shard(clips: Clips) -> dict[int, Clips]:
    by_shard: dict[int, Clips] = {}
    for sample, ref in clips:
        by_shard.setdefault(sample.shard, []).append((sample, ref))
    return by_shard


def _measure(task: Task, folder: str, options: RunOptions) -> list[dict[str, Any]]:
    """A row for each clip and method, in the order of names."""
    progress = Progress(folder, sum(map(len, task.clips.values())), "clips")
    by_key: dict[str, dict[str, Figures]] = {}
    for part in map_shards(partial(measuring_worker, task, options.device), sorted(task.clips), options):
        by_key.update(part)
        progress.add(len(part))
    progress.close()
    clips = sorted((clip for part in task.clips.values() for clip in part), key=lambda clip: clip[0].key)
    return [
        {"recording_id": sample.recording_id, "key": sample.key, "start": ref.start, "method": method, **figures}
        for sample, ref in clips
        for method, figures in by_key[sample.key].items()
    ]


def _save(store: Store, folder: str, rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """Means by method, a row for each clip and method, and the list of clips by name."""
    methods = {row["method"]: [other for other in rows if other["method"] == row["method"]] for row in rows}
    means = {
        method: {name: float(np.mean([row[name] for row in own])) for name in own[0] if isinstance(own[0][name], float)}
        for method, own in methods.items()
    }
    better = np.mean([a["l1"] < b["l1"] for a, b in zip(methods["run"], methods[COPY], strict=True)])
    record = {**about, "clips": len(methods["run"]), "better_than_copy": float(better), "methods": means}
    names = sorted({name for row in rows for name in row}, key=list(rows[-1]).index)
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("recording", "start"))
    writer.writerows((row["recording_id"], row["start"]) for row in methods["run"])
    store.write_bytes(f"{folder}/clips.csv", stream.getvalue().encode())
    store.write_bytes(f"{folder}/clips.parquet", parquet_bytes(table))
    store.write_bytes(f"{folder}/metrics.json", json.dumps(record, indent=1, sort_keys=True).encode())
