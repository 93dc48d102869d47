"""A codebook from the training part of a flow artefact: survey, centres, use, and the report of all three."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..pipeline.artefacts import SHARDS, read_manifest, read_report, read_samples
from ..pipeline.cell_survey import CellSurvey, clip_range, moving_rms, survey_report
from ..pipeline.codebook_file import codebook_bytes, usage
from ..pipeline.depth_step import depth_step_mm
from ..pipeline.fit_codebook import (
    Draw,
    balanced_sample,
    codebook_size,
    components_of,
    fit_kmeans,
    neighbour_scale,
    sample_blocks,
    soft_start,
    static_threshold,
    uniform_centres,
)
from ..pipeline.read_sample import has_stream, read_frames
from ..schemas.codebook import Codebook
from ..schemas.recipe import CodebookSection
from ..schemas.report import Identity
from .codebook_passes import TrainingFlow, shard_blocks, survey, use
from .options import RunOptions

_DEPTH_IMAGES = 8


@dataclass(frozen=True)
class Fitted:
    """Centres and what they were fitted to; inertia is empty for a uniform grid."""

    codebook: Codebook
    cells: int
    inertia: tuple[float, ...]


def fit_and_save(
    flow: TrainingFlow, channels: int, folder: str, identity: Identity, config: CodebookSection, options: RunOptions
) -> None:
    """Write codebook.npz and, last, report.json; `channels`: components of the flow."""
    surveyed, draws = survey(flow, channels, config, options)
    statistics = survey_report(surveyed, static_threshold(channels, config))
    statistics |= {"depth_step_mm": _depth_step(flow) if channels == 3 else None}
    fitted = _fit(flow, surveyed, balanced_sample(draws, surveyed, config), config, options)
    save_codebook(flow, folder, identity, config, fitted, statistics, options)


def save_codebook(
    flow: TrainingFlow,
    folder: str,
    identity: Identity,
    config: CodebookSection,
    fitted: Fitted,
    statistics: dict[str, Any],
    options: RunOptions,
) -> None:
    """Count how the training cells use the centres; write the codebook and its report. `statistics`: of the flow."""
    used = use(flow, fitted.codebook, config, options)
    book = replace(fitted.codebook, counts=used.counts)
    data = codebook_bytes(book)
    rms = used.rms()
    report = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "protocol": identity.data["protocol"],
        "flow": flow.folder.split("/", 1)[1],
        "flow_hash": identity.parents["flow"],
        "kind": book.kind,
        "components": "xyz"[: book.centres.shape[1]],
        "unit": book.unit,
        "size": book.size,
        "seed": config.seed,
        "train_samples": sum(map(len, flow.keys.values())),
        "fitted_cells": fitted.cells,
        "moving_cells_seen": int(used.cells[1]),
        "static_cells_seen": int(used.cells[0]),
        "inertia": fitted.inertia,
        "clip": book.clip.tolist(),
        "scale": book.axis_scale().tolist(),
        "counts": book.counts.tolist(),
        "distortion": {"static": rms[0].tolist(), "moving": rms[1].tolist()},
        "flow_statistics": statistics,
        **usage(book),
        "source_hashes": _source_hashes(flow),
    }
    flow.store.write_bytes(f"{folder}/codebook.npz", data)
    flow.store.write_bytes(f"{folder}/report.json", json.dumps(report, indent=1, sort_keys=True).encode())


def _fit(
    flow: TrainingFlow, surveyed: CellSurvey, sample: Draw, config: CodebookSection, options: RunOptions
) -> Fitted:
    channels = surveyed.magnitudes.shape[1]
    components = components_of(channels, config)
    clip = clip_range(surveyed, components, config.clip_percentile)
    vectors = np.clip(np.concatenate([sample.moving, sample.static]), -clip, clip)
    started_by = config.start if config.kind == "learnable" else config.kind
    cells, inertia = len(vectors), tuple[float, ...]()
    if started_by == "uniform":
        centres = uniform_centres(clip, config.bins)
        scale = (clip / (config.bins - 1)).astype(np.float32)  # half a bin
    else:
        blocks = sample_blocks(vectors) if config.fit_on == "sample" else shard_blocks(flow, clip, options)
        cells = len(vectors) if config.fit_on == "sample" else int(surveyed.counts.sum())
        centres, inertia = (fit := fit_kmeans(blocks, components, config)).centres, fit.inertia
        scale = neighbour_scale(centres)
    assert len(centres) == codebook_size(components, config)
    start = None
    if config.kind == "learnable":
        scale = moving_rms(surveyed, components)
        start = soft_start(sample, surveyed, centres, clip, scale)
    unused = np.zeros(len(centres), dtype=np.int64)
    planar = (components, channels) == (2, 3)
    return Fitted(Codebook(centres, unused, clip, scale, config.kind, planar, start), cells, inertia)


def _depth_step(flow: TrainingFlow) -> float | None:
    """Quantisation step of the depth in the middle of a few training samples."""
    keys = frozenset().union(*flow.keys.values())
    manifest = read_manifest(flow.store, SHARDS, "motionpipe shard")
    stored = [pair for pair in read_samples(flow.store, SHARDS, manifest) if pair[1].key in keys]
    chosen = [pair for pair in stored[:: len(stored) // _DEPTH_IMAGES + 1] if has_stream(pair[1], "depth")]
    middles = (read_frames(flow.store, SHARDS, n, e, "depth", [e.num_frames // 2])[0] for n, e in chosen)
    return depth_step_mm(middles)


def _source_hashes(flow: TrainingFlow) -> list[str]:
    reports = ((keys, read_report(flow.store, flow.folder, shard)) for shard, keys in flow.keys.items())
    return sorted({entry.source_hash for keys, report in reports for entry in report.samples if entry.key in keys})


def codebook_lines(report: dict[str, Any]) -> list[str]:
    """The report in a few lines: the codewords, and the flow that they were fitted to."""
    factor, unit = (1000.0, "mm") if report["unit"] == "m" else (1.0, "px")
    entropy, most = report["entropy_bits"], float(np.log2(report["size"]))
    flow = report["flow_statistics"]
    shares = flow["shares"]
    head = (
        f"{report['size']} codewords ({report['kind']}, {report['components']}) from {report['fitted_cells']} cells of "
        f"{report['train_samples']} samples"
    )
    used = (
        f"  perplexity {report['perplexity']:.1f}, entropy {entropy:.2f} of {most:.2f} bits, "
        f"{len(report['dead_codes'])} dead, zero codeword {100 * report['zero_code_share']:.1f} % of cells"
    )
    cells = (
        f"  {flow['valid']} of {flow['cells']} training cells are valid; {100 * shares['static']:.1f} % of these move "
        f"less than {flow['threshold'] * factor:g} {unit} a step, {100 * shares['in_plane']:.1f} % in the picture plane"
    )
    if len(flow["axes"]) == 3:
        step = flow["depth_step_mm"]
        cells += f", {100 * shares['depth_alone']:.1f} % in depth alone"
        cells += f"; depth comes in steps of {step:g} mm" if step else ""
    table = [
        f"  {unit} a step   median of all   RMS: still in the plane   moving in it   ratio   moving: lost by quantising"
    ]
    for number, axis in enumerate(flow["axes"]):
        lost = report["distortion"]["moving"][number : number + 1]
        table.append(
            f"  δ{axis['axis']:<8}{axis['all']['median'] * factor:>16.2f}{axis['noise'] * factor:>26.2f}"
            f"{axis['in_plane']['rms'] * factor:>15.2f}{axis['signal_to_noise'] or float('nan'):>8.1f}"
            f"   {f'{lost[0] * factor:.2f}' if lost else 'dropped'}"
        )
    return [head, used, cells, *table]
