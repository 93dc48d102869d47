"""What a run of the store learns from: its samples, and where their clips are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import click
import cv2
import numpy as np

from ..pipeline.artefacts import SHARDS, read_report
from ..pipeline.clip_plan import TrainSample
from ..pipeline.estimate_flow import STREAM_OF_METHOD
from ..pipeline.frame_input import STREAMS
from ..pipeline.groups import group_of
from ..pipeline.read_sample import has_stream
from ..pipeline.splits import planned_by_recording, recordings_in
from ..pipeline.store import Store
from ..pipeline.train_samples import TrainSamples, samples_from_bytes
from ..schemas.atomic_flow import AtomicFlowSection
from ..schemas.errors import MotionpipeError
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe
from ..schemas.recording import PlannedRecording
from ..schemas.report import Manifest, SampleEntry
from ..schemas.uf_tsn import UfTsnSection
from .learner import Learner
from .learners import LEARNERS
from .train_job import TrainJob

_PART_WORDS = {"train": "training", "test": "test"}
FLOW_SEEN = ("step_s", "stride", "cell")
"""Fields of `[flow]` that the frames of a run's clips depend on."""
Found = Iterator[tuple[int, SampleEntry, SampleEntry, PlannedRecording]]


def open_data(job: TrainJob) -> tuple[TrainSamples, Any]:
    """The run's samples and their clips; every worker opens them for itself."""
    cv2.setNumThreads(1)
    clips = LEARNERS[job.learner].open(job.store, job.flow_folder, job.cell, job.network)
    return samples_from_bytes(job.store.read_bytes(job.samples_file)), clips


def network_of(run: Manifest) -> Any:
    """What a finished run's network is and sees: its model's section; of a classifier the encoder's part of it."""
    data = run.identity.data
    return type(Recipe().network(data["model"])).model_validate(data["network"])


def learner_of(run: Manifest) -> Learner:
    """The model of a finished run."""
    data = run.identity.data
    return LEARNERS[data["model"] + ("/classify" if data["task"] == "classify" else "")]


def flow_of(run: Manifest) -> FlowSection:
    """How far apart the frames of a finished run's clips are, and the cells that its grid is aligned to."""
    return FlowSection.model_validate(run.identity.data["flow"])


def flow_samples(
    store: Store, flow_name: str, flow: Manifest, protocol: str, config: AtomicFlowSection, part: str = "train"
) -> list[TrainSample]:
    """Samples of a part of the protocol that the network can learn from; one clear error where there are none."""
    usable, left_out = sort_flow_samples(store, flow_name, flow, protocol, config, part)
    unregistered, without, short = (left_out[why] for why in ("unregistered", "without", "short"))
    chosen = len(usable) + sum(left_out.values())
    samples = f"{_PART_WORDS[part]} samples of {protocol}"
    if chosen and unregistered == chosen:
        grid_stream = STREAM_OF_METHOD[flow.identity.section["method"]]
        raise MotionpipeError(
            f"modality {config.modality} reads {' and '.join(STREAMS[config.modality])}, the flow lies on the "
            f"{grid_stream} frames and RGB is not registered to depth; set atomic_flow.modality={grid_stream}"
        )
    _say(unregistered, chosen, f"{_PART_WORDS[part]} samples have RGB that is not registered to depth")
    if not usable and not short:
        raise MotionpipeError(f"none of the {chosen} {samples} has {config.modality} frames")
    if not usable:
        raise MotionpipeError(
            f"all {short} {samples} are too short: a clip needs two flow steps (flow.step_s or flow.stride) and one "
            "more frame"
        )
    why = "are too short for a clip" if short else f"have no {config.modality} frames"
    _say(without + short, chosen, f"{_PART_WORDS[part]} samples {why}")
    return usable


def sort_flow_samples(
    store: Store, flow_name: str, flow: Manifest, protocol: str, config: AtomicFlowSection, part: str
) -> tuple[list[TrainSample], Counter[str]]:
    """Samples of a part that have the modality's streams and are long enough for a clip, and why others do not.

    Streams that the flow does not lie on must be registered to those that it does. Counts are "unregistered",
    "without" (a stream) and "short".
    """
    needed = STREAMS[config.modality]
    on_grid = needed == (STREAM_OF_METHOD[flow.identity.section["method"]],)
    left_out, usable = Counter[str](), []
    for shard, frames, entry, planned in _flow_pairs(store, flow_name, flow, protocol, part):
        sample = sample_of(shard, entry, planned)
        if not on_grid and not frames.registered:
            left_out["unregistered"] += 1
        elif not all(has_stream(frames, stream) for stream in needed):
            left_out["without"] += 1
        elif not sample.num_starts:
            left_out["short"] += 1
        else:
            usable.append(sample)
    return usable, left_out


def labelled_samples(
    store: Store, shards: Manifest, protocol: str, part: str, modality: str, flow: FlowSection
) -> list[TrainSample]:
    """Labelled samples of a part of the protocol that have the modality's streams; one clear error where none has."""
    plan = planned_by_recording(store)
    chosen = recordings_in(plan, protocol, part)
    usable, without = [], 0
    for summary in shards.shards:
        for entry in read_report(store, SHARDS, summary.shard).samples:
            planned = plan[entry.recording_id]
            if entry.recording_id not in chosen or planned.recording.label is None:
                continue
            stride = flow.stride_at(entry.fps)
            if can_be_read(entry, modality):
                usable.append(sample_of(summary.shard, entry.model_copy(update={"stride": stride}), planned))
            else:
                without += 1
    if not usable:
        kind = "generated" if modality == "frames" else modality
        raise MotionpipeError(
            f"no labelled sample of the {part} part of {protocol} has {kind} frames"
            + (" (RGB registered to depth)" if modality == "rgbd" else "")
        )
    _say(without, without + len(usable), f"{_PART_WORDS[part]} samples have no {modality} frames")
    return usable


def with_stored_flow(store: Store, network: Any, samples: Sequence[TrainSample]) -> list[TrainSample]:
    """The samples whose flow the artefact holds that a temporal stream reads; all, where the network reads none."""
    if not isinstance(network, UfTsnSection) or network.flow is None:
        return list(samples)
    folder = f"flow/{network.flow}"
    shards = sorted({sample.shard for sample in samples})
    there = {entry.key for shard in shards for entry in read_report(store, folder, shard).samples}
    kept = [sample for sample in samples if sample.key in there]
    if not kept:
        raise MotionpipeError(f"{folder} has flow of none of the {len(samples)} samples; see its rejects")
    _say(len(samples) - len(kept), len(samples), f"samples have no flow in {folder}")
    return kept


def can_be_read(entry: SampleEntry, modality: str) -> bool:
    """Whether a sample has the modality's streams, in one frame where there are two."""
    return all(has_stream(entry, stream) for stream in STREAMS[modality]) and (
        modality != "rgbd" or entry.registered is not None
    )


def _flow_pairs(store: Store, flow_name: str, flow: Manifest, protocol: str, part: str) -> Found:
    """(shard, frames, flow, plan) of a part's samples; of the reports one shard's at a time is held."""
    plan = planned_by_recording(store)
    train = recordings_in(plan, protocol, part)
    for summary in flow.shards:
        entries = [e for e in read_report(store, f"flow/{flow_name}", summary.shard).samples if e.recording_id in train]
        frames = {e.key: e for e in read_report(store, SHARDS, summary.shard).samples} if entries else {}
        for entry in entries:
            yield summary.shard, frames[entry.key], entry, plan[entry.recording_id]


def sample_of(shard: int, entry: SampleEntry, planned: PlannedRecording) -> TrainSample:
    """A sample as the plan of clips sees it; `entry` says how far apart the frames of its clips are (`stride`)."""
    recording = planned.recording
    assert entry.stride is not None
    motion = np.array(entry.motion, dtype=np.float32)
    label = -1 if recording.label is None else recording.label
    group, frames = group_of(recording), entry.num_frames
    return TrainSample(shard, entry.key, entry.recording_id, group, frames, entry.stride, motion, label)


def _say(count: int, of: int, what: str) -> None:
    if count:
        click.echo(f"  {count} of {of} {what}", err=True)
