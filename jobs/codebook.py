"""`motionpipe codebook`: atomic flows from the training split, and every sample's quantised targets."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import click
import torch

from ..models.atomic_flow import codebook_of
from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest, read_report, read_samples
from ..pipeline.codebook_file import codebook_from_bytes
from ..pipeline.fit_codebook import codebook_size, components_of
from ..pipeline.quantise import quantise
from ..pipeline.read_flow import read_flow_cells
from ..pipeline.samples import npy_bytes
from ..pipeline.splits import planned_by_recording, recordings_in, resolve_protocol
from ..pipeline.store import Store
from ..pipeline.write_shard import Sample, ShardWork, write_tar_shard
from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import CodebookSection, Recipe
from ..schemas.report import Identity, Manifest, SampleEntry
from .artefact_lock import artefact_lock
from .codebook_passes import TrainingFlow
from .fit_codebook import Fitted, codebook_lines, fit_and_save, save_codebook
from .flow import MADE_BY as MAKE_FLOW
from .options import RunOptions
from .ray_session import ray_session
from .run_files import load_checkpoint
from .stage import StageResult, Work, open_artefact, run_stage

MADE_BY = "motionpipe codebook"


def codebook(store: Store, recipe: Recipe, flow_name: str | None, name: str | None, options: RunOptions) -> StageResult:
    """Fit the codebook where it is missing, then quantise every sample of the flow artefact."""
    start = time.monotonic()
    flow_name = flow_name or only_artefact(store, "flow", "--flow", MAKE_FLOW)
    flow = read_manifest(store, f"flow/{flow_name}", MAKE_FLOW)
    dataset = read_manifest(store, SHARDS, "motionpipe shard").identity.data["dataset"]
    protocol = resolve_protocol(dataset, recipe.data.protocol)
    entries = _training_entries(store, flow_name, flow, protocol)
    training = _training_flow(store, flow_name, flow, entries)
    channels = _flow_components(training, entries)
    book = name or default_name(flow_name, channels, recipe.codebook)
    folder = f"codebook/{book}"
    identity = Identity(
        stage="codebook",
        section=recipe.codebook.model_dump(mode="json"),
        data={"protocol": protocol},
        parents={"flow": flow.hash},
    )
    with artefact_lock(store, folder):
        open_artefact(store, folder, identity, recipe, {"flow": flow_name})
        fitted = store.exists(f"{folder}/report.json")
        # one Ray for the passes of the fit and for the targets
        with nullcontext() if fitted or options.workers == 0 else ray_session(options):
            if not fitted:
                fit_and_save(training, channels, folder, identity, recipe.codebook, options)
            click.echo(f"{folder}: fitted already, nothing to do" if fitted else _summary(store, folder))
            result = _write_targets(store, recipe, book, flow_name, flow, options)
    return StageResult(folder, result.counts, time.monotonic() - start, result.fresh or not fitted, result.exit_code)


def default_name(flow_name: str, flow_components: int, config: CodebookSection) -> str:
    """FLOW-KIND-K, with the components where some are dropped."""
    components = components_of(flow_components, config)
    dropped = "" if components == flow_components else "-" + config.components
    return f"{flow_name}-{config.kind}-{codebook_size(components, config)}{dropped}"


def export_learned(store: Store, recipe: Recipe, run: str, checkpoint: str, options: RunOptions) -> list[StageResult]:
    """Write the centres that a finished run has learned as codebook RUN@learned, with targets, unless these stand.

    MotionpipeError where those of another run of this name stand.
    """
    book = f"{run}@learned"
    folder = f"codebook/{book}"
    parent_name = json.loads(store.read_bytes(f"runs/{run}/identity.json"))["info"]["codebook"]
    parent, _ = read_codebook(store, parent_name)
    begun = json.loads(store.read_bytes(f"codebook/{parent_name}/report.json"))
    made = Identity.model_validate(json.loads(store.read_bytes(f"codebook/{parent_name}/identity.json"))["identity"])
    flow = read_manifest(store, f"flow/{begun['flow']}", MAKE_FLOW)
    sha256 = hashlib.sha256(store.read_bytes(checkpoint)).hexdigest()
    identity = Identity(
        stage="codebook",
        section=made.section,
        data={"protocol": begun["protocol"], "run": run},
        parents={"flow": flow.hash, "checkpoint": sha256},
    )
    with artefact_lock(store, folder):
        open_artefact(store, folder, identity, recipe, {"flow": begun["flow"]})
        if store.exists(f"targets/{book}/manifest.json"):
            return []
        entries = _training_entries(store, begun["flow"], flow, begun["protocol"])
        training = _training_flow(store, begun["flow"], flow, entries)
        learned = codebook_of(load_checkpoint(store, checkpoint)["model"])
        fitted = Fitted(replace(parent, centres=learned.centres), begun["fitted_cells"], ())
        config = CodebookSection.model_validate(made.section)
        if not store.exists(f"{folder}/report.json"):
            save_codebook(training, folder, identity, config, fitted, begun["flow_statistics"], options)
            click.echo(_summary(store, folder))
        return [_write_targets(store, recipe, book, begun["flow"], flow, options)]


def read_codebook(store: Store, book: str) -> tuple[Codebook, str]:
    """A finished codebook and the sha256 of its file, which must be the one that its report states."""
    folder = f"codebook/{book}"
    if not store.exists(f"{folder}/report.json"):
        raise MotionpipeError(f"{folder} is not finished in {store.uri}; run: {MADE_BY}")
    data = store.read_bytes(f"{folder}/codebook.npz")
    sha256 = hashlib.sha256(data).hexdigest()
    if json.loads(store.read_bytes(f"{folder}/report.json"))["sha256"] != sha256:
        raise MotionpipeError(
            f"{folder}/codebook.npz is not the file that its report describes; make it again under a new --name"
        )
    return codebook_from_bytes(data), sha256


def _training_entries(store: Store, flow_name: str, flow: Manifest, protocol: str) -> list[tuple[int, SampleEntry]]:
    """(shard, entry) of the flow samples in the training part; one clear error where there is none."""
    train = recordings_in(planned_by_recording(store), protocol, "train")
    entries = [(s, e) for s, e in read_samples(store, f"flow/{flow_name}", flow) if e.recording_id in train]
    if not entries:
        raise MotionpipeError(f"no flow sample belongs to the training part of protocol {protocol}")
    return entries


def _training_flow(
    store: Store, flow_name: str, flow: Manifest, entries: Sequence[tuple[int, SampleEntry]]
) -> TrainingFlow:
    keys: dict[int, set[str]] = {}
    for shard, entry in entries:
        keys.setdefault(shard, set()).add(entry.key)
    frozen = {shard: frozenset(names) for shard, names in keys.items()}
    return TrainingFlow(store, f"flow/{flow_name}", int(flow.identity.section["cell"]), frozen)


def _flow_components(training: TrainingFlow, entries: Sequence[tuple[int, SampleEntry]]) -> int:
    """Components of the flow: one method and one C for an artefact, so one sample tells."""
    shard, entry = entries[0]
    flow = read_flow_cells(training.store, training.folder, shard, entry, training.cell).flow
    return int(flow.shape[1])


def _summary(store: Store, folder: str) -> str:
    return f"{folder}: " + "\n".join(codebook_lines(json.loads(store.read_bytes(f"{folder}/report.json"))))


def _write_targets(
    store: Store, recipe: Recipe, book: str, flow_name: str, flow: Manifest, options: RunOptions
) -> StageResult:
    values, sha256 = read_codebook(store, book)
    identity = Identity(stage="targets", section={}, data={}, parents={"flow": flow.hash, "codebook": sha256})
    sizes = [summary.written for summary in flow.shards]
    make_worker = partial(
        targets_worker, store, f"flow/{flow_name}", f"targets/{book}", values, int(flow.identity.section["cell"])
    )
    return run_stage(store, f"targets/{book}", identity, recipe, lambda: sizes, make_worker, options)


def targets_worker(store: Store, flow_folder: str, folder: str, book: Codebook, cell: int) -> Work:
    """The work on one shard: the codes of each of its samples."""
    torch.set_num_threads(1)

    def build(shard: int, entry: SampleEntry) -> Iterable[Sample]:
        targets = quantise(read_flow_cells(store, flow_folder, shard, entry, cell), book)
        members = {"codes.npy": npy_bytes(targets.codes)}
        yield Sample(entry.key, members, entry.num_frames, entry.fps, entry.source_hash, entry.stride)

    return ShardWork(
        items=lambda shard: read_report(store, flow_folder, shard).samples,
        build=build,
        write=partial(write_tar_shard, store, folder),
    )
