"""`motionpipe pack`: depth, labels and flow of a store in one file, to train on a machine with torch alone."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest
from ..pipeline.clip_plan import TrainSample
from ..pipeline.pack import Pack, PackedSample, pack_bytes
from ..pipeline.splits import planned_by_recording, resolve_protocol
from ..pipeline.store import Store
from ..pipeline.stored_clips import StoredClips
from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe
from .codebook import MADE_BY as MAKE_CODEBOOK
from .codebook import read_codebook
from .flow import MADE_BY as MAKE_FLOW
from .progress import Progress
from .train_data import flow_samples, labelled_samples


def pack(
    store: Store, recipe: Recipe, flow_name: str | None, books: Sequence[str], out: Path, largest_mb: float
) -> None:
    """Write the pack `out` of one flow artefact and the codebooks that were fitted to it (default: all of them)."""
    start = time.monotonic()
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    protocol = resolve_protocol(shards.identity.data["dataset"], recipe.data.protocol)
    flow_name = flow_name or only_artefact(store, "flow", "--flow", MAKE_FLOW)
    flow = read_manifest(store, f"flow/{flow_name}", MAKE_FLOW)
    section, network = flow.identity.section, recipe.atomic_flow.model_copy(update={"modality": "depth"})
    if recipe.atomic_flow.modality not in ("auto", "depth"):
        raise MotionpipeError(
            f"a pack holds depth, without a JPEG decoder: atomic_flow.modality is {recipe.atomic_flow.modality}"
        )
    codebooks = {name: _book(store, name, flow_name, protocol) for name in books or _books_of(store, flow_name)}
    asked = FlowSection.model_validate(section)
    learned = flow_samples(store, flow_name, flow, protocol, network)
    train = labelled_samples(store, shards, protocol, "train", "depth", asked)
    test = labelled_samples(store, shards, protocol, "test", "depth", asked)
    with_flow = {sample.key for sample in learned}
    every = [*learned, *(sample for sample in train if sample.key not in with_flow)]
    parts = {**{sample.key: "train" for sample in every}, **{sample.key: "test" for sample in test}}
    clips = StoredClips(store, f"flow/{flow_name}", int(section["cell"]), network)
    progress = Progress("pack", len(parts), "samples")
    samples = list(_packed(clips, [*every, *test], parts, with_flow, progress))
    progress.close()
    names = {row.recording.label: row.recording.label_name for row in planned_by_recording(store).values()}
    meta: dict[str, Any] = {
        "dataset": shards.identity.data["dataset"],
        "protocol": protocol,
        "shards": shards.hash,
        "flow": flow.hash,
        "step_s": asked.step_s,
        "stride": asked.stride,
        "classes": {str(label): name for label, name in names.items() if label is not None},
        "train": recipe.train.model_dump(mode="json"),
        "atomic_flow": network.model_dump(mode="json") | {"code_side": network.code_side},
        "finetune": recipe.finetune.model_dump(mode="json"),
        "evaluate": recipe.evaluate.model_dump(mode="json"),
        "embed": recipe.embed.model_dump(mode="json"),
        "classify": recipe.classify.model_dump(mode="json"),
    }
    data = pack_bytes(Pack(meta, samples, codebooks))
    if len(data) > largest_mb * 1e6:
        raise MotionpipeError(
            f"the pack takes {len(data) / 1e6:.1f} MB, more than --largest-mb {largest_mb:g}; reduce "
            "atomic_flow.frame_short_side, or shard fewer recordings"
        )
    out.write_bytes(data)
    click.echo(
        f"{out}: {len(samples)} samples ({len(learned)} with flow), {sum(len(p.depth) for p in samples)} frames of "
        f"{_sizes(samples)}, codebooks {', '.join(codebooks) or 'none'}, {len(data) / 1e6:.1f} MB, sha256 "
        f"{hashlib.sha256(data).hexdigest()[:12]}, {time.monotonic() - start:.1f} s"
    )


def _sizes(samples: Sequence[PackedSample]) -> str:
    """Sizes of the frames, as text."""
    sizes = sorted({sample.grid.frame_size for sample in samples})
    return " and ".join(f"{width}x{height}" for height, width in sizes[:3])


def _books_of(store: Store, flow_name: str) -> list[str]:
    """Finished codebooks that were fitted to a flow artefact."""
    names = store.list("codebook")
    return [name for name in names if _report(store, name).get("flow") == flow_name]


def _report(store: Store, book: str) -> dict[str, Any]:
    name = f"codebook/{book}/report.json"
    report: dict[str, Any] = json.loads(store.read_bytes(name)) if store.exists(name) else {}
    return report


def _book(store: Store, name: str, flow_name: str, protocol: str) -> Codebook:
    book, _ = read_codebook(store, name)
    report = _report(store, name)
    if (report["flow"], report["protocol"]) != (flow_name, protocol):
        raise MotionpipeError(
            f"codebook {name} was fitted to flow/{report['flow']} on {report['protocol']}, the pack is of "
            f"flow/{flow_name} on {protocol}; make one with: {MAKE_CODEBOOK} --flow {flow_name} --protocol {protocol}"
        )
    return book


def _packed(
    clips: StoredClips, samples: Sequence[TrainSample], parts: dict[str, str], with_flow: set[str], progress: Progress
) -> Iterator[PackedSample]:
    for sample in samples:
        streams, grid = clips.frames(sample, range(sample.num_frames))
        flow = valid = None
        if sample.key in with_flow:
            cells, weight = clips.flow(sample, range(sample.num_frames - sample.stride), grid)
            valid = weight >= 0.5
            flow = np.where(valid[:, None], cells, 0).astype(np.float16)
        yield PackedSample(sample, parts[sample.key], streams["depth"], grid, flow, valid)
        progress.add(1)
