"""`motionpipe codebook`: atomic flows from the training split, and every sample's quantised targets."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import click
import numpy as np

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest, read_report, read_samples
from ..pipeline.codebook_file import codebook_bytes, codebook_from_bytes
from ..pipeline.fit_codebook import clip_range, fit_kmeans, sample_cells, usage
from ..pipeline.quantise import quantise
from ..pipeline.read_flow import read_flow_cells
from ..pipeline.samples import npy_bytes
from ..pipeline.splits import planned_by_recording, recordings_in, resolve_protocol
from ..pipeline.store import Store
from ..pipeline.write_shard import Sample, ShardWork, write_tar_shard
from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError
from ..schemas.flow import FlowCells
from ..schemas.recipe import CodebookSection, Recipe
from ..schemas.report import Identity, Manifest, SampleEntry
from .artefact_lock import artefact_lock
from .flow import MADE_BY as MAKE_FLOW
from .options import RunOptions
from .stage import StageResult, Work, open_artefact, run_stage

MADE_BY = "motionpipe codebook"


def codebook(store: Store, recipe: Recipe, flow_name: str | None, name: str | None, options: RunOptions) -> StageResult:
    """Fit the codebook where it is missing, then quantise every sample of the flow artefact."""
    start = time.monotonic()
    flow_name = flow_name or only_artefact(store, "flow", "--flow", MAKE_FLOW)
    flow = read_manifest(store, f"flow/{flow_name}", MAKE_FLOW)
    dataset = read_manifest(store, SHARDS, "motionpipe shard").identity.data["dataset"]
    protocol = resolve_protocol(dataset, recipe.data.protocol)
    book = name or f"{flow_name}-{recipe.codebook.kind}-{recipe.codebook.size}"
    folder = f"codebook/{book}"
    identity = Identity(
        stage="codebook",
        section=recipe.codebook.model_dump(mode="json"),
        data={"protocol": protocol},
        parents={"flow": flow.hash},
    )
    entries = _training_entries(store, flow_name, flow, protocol)
    with artefact_lock(store, folder):
        open_artefact(store, folder, identity, recipe, {"flow": flow_name})
        fitted = store.exists(f"{folder}/report.json")
        if not fitted:
            _fit_and_save(store, folder, flow_name, identity, entries, recipe.codebook)
    click.echo(f"{folder}: " + ("fitted already, nothing to do" if fitted else _summary(store, folder)))
    result = _write_targets(store, recipe, book, flow_name, flow, options)
    return StageResult(folder, result.counts, time.monotonic() - start, result.fresh or not fitted, result.exit_code)


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


def _fit_and_save(
    store: Store,
    folder: str,
    flow_name: str,
    identity: Identity,
    entries: Sequence[tuple[int, SampleEntry]],
    config: CodebookSection,
) -> None:
    cell = int(read_manifest(store, f"flow/{flow_name}", MAKE_FLOW).identity.section["cell"])

    def cells() -> Iterator[FlowCells]:
        return (read_flow_cells(store, f"flow/{flow_name}", shard, entry, cell) for shard, entry in entries)

    sample = sample_cells(cells(), len(entries), config)
    clip = clip_range(sample, config)
    clipped = np.clip(sample.vectors, -clip, clip)
    fit = fit_kmeans(clipped, config)
    unused = Codebook(fit.centres, np.zeros(config.size, dtype=np.int64), clip)
    book = Codebook(fit.centres, _count(cells(), unused), clip)
    data = codebook_bytes(book)
    report = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "protocol": identity.data["protocol"],
        "flow": flow_name,
        "flow_hash": identity.parents["flow"],
        "size": book.size,
        "seed": config.seed,
        "train_samples": len(entries),
        "fitted_cells": len(clipped),
        "moving_cells_seen": sample.moving_seen,
        "static_cells_seen": sample.static_seen,
        "inertia": fit.inertia,
        "clip": clip.tolist(),
        "counts": book.counts.tolist(),
        **usage(book),
        "source_hashes": sorted({entry.source_hash for _, entry in entries}),
    }
    store.write_bytes(f"{folder}/codebook.npz", data)
    store.write_bytes(f"{folder}/report.json", json.dumps(report, indent=1, sort_keys=True).encode())


def _count(samples: Iterable[FlowCells], book: Codebook) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Training cells of each codeword (K,)."""
    counts = np.zeros(book.size, dtype=np.int64)
    for cells in samples:
        codes = quantise(cells, book).codes[cells.cell_is_valid()]
        counts += np.bincount(codes, minlength=book.size)
    return counts


def _summary(store: Store, folder: str) -> str:
    report = json.loads(store.read_bytes(f"{folder}/report.json"))
    return (
        f"{report['size']} codewords from {report['fitted_cells']} cells of {report['train_samples']} samples, "
        f"perplexity {report['perplexity']:.1f}, {len(report['dead_codes'])} dead"
    )


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
    import torch

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
