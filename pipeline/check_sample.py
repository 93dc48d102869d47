"""The content of stored samples: everything decodes, and what belongs together fits together."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import simplejpeg

from ..schemas.codebook import Codebook
from ..schemas.flow import FlowCells, FlowPixels
from ..schemas.flow_section import FlowSection
from ..schemas.recording import Recording
from ..schemas.report import SampleEntry
from . import depth_codec
from .flow_cells import cell_means
from .quantise import quantise

PIXEL_MEMBERS = {"flow_px.npy", "valid_px.npy"}
"""What a flow sample holds beside its cells where `flow.keep` is "pixels"."""


def check_frames(entry: SampleEntry, members: dict[str, bytes], recording: Recording | None) -> Iterator[str]:
    """What is wrong with a sample of shards/: its JSON, its times, and every frame."""
    try:
        meta = json.loads(members["json"])
    except (KeyError, ValueError) as error:
        yield f"no readable json member ({error})"
        return
    times = meta["timestamps_us"]
    if (meta["key"], meta["source"]["sha256"]) != (entry.key, entry.source_hash):
        yield f"its json is that of {meta['key']}, or of another source"
    if len(times) != entry.num_frames or (np.diff(times) <= 0).any():
        yield f"{len(times)} timestamps that must increase, for {entry.num_frames} frames"
    if recording is not None and (meta["label"], meta["splits"]) != (recording.label, recording.splits):
        yield "label or splits differ from the plan"
    for stream in ("rgb", "depth"):
        names = [name for name in members if name.startswith(f"{stream}.")]
        if stream in meta.get("sizes", {}) and len(names) != entry.num_frames:
            yield f"{len(names)} {stream} frames of {entry.num_frames}"
    for name, data in members.items():
        yield from _check_member(name, data, meta.get("sizes", {}))


def _check_member(name: str, data: bytes, sizes: dict[str, list[int]]) -> Iterator[str]:
    extension = name.rsplit(".", 1)[-1]
    try:
        if extension == "jpg":
            shape = simplejpeg.decode_jpeg(data).shape
        elif extension in depth_codec.DECODERS:
            shape = depth_codec.DECODERS[extension](data).shape
        else:
            if extension == "npy":
                load_npy(data)
            return
    except ValueError as error:
        yield f"{name} does not decode ({error})"
        return
    width, height = sizes[name.split(".", 1)[0]]
    if shape[:2] != (height, width):
        yield f"{name} is {shape[1]}x{shape[0]}, its json says {width}x{height}"


def load_npy(data: bytes) -> npt.NDArray[Any]:
    """The array of a .npy file; ValueError where it is damaged or its size is another than its header's."""
    try:
        array: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (EOFError, OSError, SyntaxError) as error:  # what numpy makes of damaged headers
        raise ValueError(str(error)) from error
    return array


def flow_of(entry: SampleEntry, members: dict[str, bytes], cell: int) -> FlowCells:
    """The checked cells of a flow sample; ValueError says what is wrong."""
    missing = {"flow.npy", "valid.npy"} - members.keys()
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))} is missing")
    return FlowCells(entry.key, load_npy(members["flow.npy"]), load_npy(members["valid.npy"]), entry.stride or 0, cell)


def check_flow(
    entry: SampleEntry,
    members: dict[str, bytes],
    config: FlowSection,
    frames: SampleEntry,
    size: tuple[int, int],
) -> Iterator[str]:
    """A flow sample against the sample of shards/ that it was made from; `size` (width, height) of its frames."""
    cell = config.cell
    try:
        cells = flow_of(entry, members, cell)
    except ValueError as error:
        yield f"flow is not readable ({error})"
        return
    pairs, rows, cols = max(frames.num_frames - cells.stride, 0), size[1] // cell, size[0] // cell
    if (frames.num_frames, frames.source_hash) != (entry.num_frames, entry.source_hash):
        yield "made from another recording than the one in shards/"
    if (len(cells.flow), *cells.flow.shape[2:]) != (pairs, rows, cols):
        yield f"flow of {len(cells.flow)} pairs on {cells.flow.shape[2:]} cells, not {pairs} on {(rows, cols)}"
    if cells.motion() != tuple(entry.motion):
        yield "its motion is not what the report says"
    if (cells.stride, cells.flow.shape[1]) != (config.stride_at(frames.fps), 3 if config.method == "pd" else 2):
        yield f"stride {cells.stride} and {cells.flow.shape[1]} components are not those of its recipe"
    if config.keep == "pixels":
        yield from _check_pixels(entry, members, cells, size)
    elif members.keys() & PIXEL_MEMBERS:
        yield "it holds the flow of every pixel, its recipe keeps cells only"


def _check_pixels(
    entry: SampleEntry, members: dict[str, bytes], cells: FlowCells, size: tuple[int, int]
) -> Iterator[str]:
    """The dense flow: of the frames' size, and such that the cells are its means."""
    missing = PIXEL_MEMBERS - members.keys()
    if missing:
        yield f"{', '.join(sorted(missing))} is missing"
        return
    try:
        pixels = FlowPixels(entry.key, load_npy(members["flow_px.npy"]), load_npy(members["valid_px.npy"]))
    except ValueError as error:
        yield f"dense flow is not readable ({error})"
        return
    expected = (*cells.flow.shape[:2], size[1], size[0])
    if pixels.flow.shape != expected:
        yield f"dense flow is {pixels.flow.shape}, not {expected}"
        return
    for pair, (flow, valid) in enumerate(zip(pixels.flow, pixels.valid, strict=True)):
        means, counts = cell_means(flow[None].astype(np.float32), valid[None] > 0, cells.cell)
        # both were rounded to float16 after the means were taken
        bound = 2e-3 * np.abs(flow).max(initial=0).astype(np.float32) + 1e-6
        if (counts[0] != cells.valid[pair]).any() or np.abs(means[0] - cells.flow[pair]).max(initial=0) > bound:
            yield f"cells of pair {pair} are not the means of its dense flow"
            return


def check_codes(
    entry: SampleEntry, members: dict[str, bytes], flow: FlowCells, source_hash: str, book: Codebook
) -> Iterator[str]:
    """A targets sample against the codebook's codes of its flow."""
    if entry.source_hash != source_hash:
        yield "made from another recording than its flow"
    try:
        codes = load_npy(members["codes.npy"])
    except (KeyError, ValueError) as error:
        yield f"codes are not readable ({error})"
        return
    expected = quantise(flow, book).codes
    if codes.dtype != expected.dtype or codes.shape != expected.shape:
        yield f"codes {codes.dtype} {codes.shape}, not {expected.dtype} {expected.shape}"
    elif (codes != expected).any():
        yield f"{int((codes != expected).sum())} of {codes.size} codes are not the codebook's for this flow"


def check_rows(
    table: pa.Table, entries: dict[str, SampleEntry], plan: dict[str, Recording], shard: int
) -> Iterator[str]:
    """Rows of embeddings against the samples of the shard and the plan."""
    row_ids = table["row_id"].to_pylist()
    if len(set(row_ids)) != len(row_ids):
        yield "a row_id comes twice"
    if not np.isfinite(np.asarray(table["embedding"].combine_chunks().flatten())).all():
        yield "an embedding is not finite"
    if {row["key"] for row in table.select(["key"]).to_pylist()} != entries.keys():
        yield "its keys are not those of its report"
    for row in table.drop_columns(["embedding"]).to_pylist():
        entry, recording = entries.get(row["key"]), plan.get(row["recording_id"])
        if entry is None or recording is None:
            yield f"{row['row_id']}: no such sample"
            continue
        splits = [f"{protocol}:{part}" for protocol, part in sorted(recording.splits.items())]
        fits = (
            row["row_id"] == f"{row['key']}:{row['frame_start']}-{row['frame_end']}"
            and 0 <= row["frame_start"] < row["frame_end"] <= entry.num_frames
            and (row["recording_id"], row["source_hash"]) == (entry.recording_id, entry.source_hash)
            and (row["label"], row["splits"], row["shard"]) == (recording.label, splits, shard)
        )
        if not fits:
            yield f"{row['row_id']}: frames, source, label or splits differ from sample and plan"
