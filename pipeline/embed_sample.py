"""Clips of a sample and their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..schemas.embedding import EmbeddingRow
from ..schemas.recipe import EmbedSection, FlowSection, TrainSection
from ..schemas.recording import Recording
from ..schemas.report import SampleEntry
from .artefacts import SHARDS
from .batches_clip_classifier import spaced_clips
from .frame_input import STREAMS, Float, crop_corner, crop_input
from .read_sample import read_frames, read_meta
from .store import Store
from .stored_clips import fit_to_grid


def clip_frames(num_frames: int, stride: int, config: EmbedSection) -> list[list[int]]:
    """Frame numbers of evenly spaced clips, `clip_frames` frames `stride` apart; with per = "frame" of one frame."""
    return spaced_clips(num_frames, stride, config.num_clips, config.clip_frames if config.per == "clip" else 1)


def read_clips(
    store: Store,
    shard: int,
    entry: SampleEntry,
    clips: Sequence[Sequence[int]],
    stored_cell: int,
    config: TrainSection,
) -> Float:
    """Network input (clips, T, C_in, S, S) of centre crops; each stored frame is read once."""
    needed = sorted({number for clip in clips for number in clip})
    streams = {name: read_frames(store, SHARDS, shard, entry, name, needed) for name in STREAMS[config.modality]}
    fitted, grid = fit_to_grid(streams, STREAMS[config.modality][-1], stored_cell, config)
    frames = crop_input(fitted, config, crop_corner(grid, config.crop, 0.5, 0.5))
    place = {number: index for index, number in enumerate(needed)}
    return np.stack([frames[[place[number] for number in clip]] for clip in clips])


@dataclass(frozen=True)
class Encoder:
    """A network as the embed stage uses it.

    features: input (clips, T, C_in, S, S) to embeddings (clips, D). flow: how the flow that the network was trained on
    was made; a clip's frames are one of its steps apart.
    """

    features: Callable[[Float], Float]
    train: TrainSection
    embed: EmbedSection
    flow: FlowSection


def embed_sample(
    store: Store, shard: int, entry: SampleEntry, recording: Recording, encoder: Encoder
) -> list[EmbeddingRow]:
    """One row for each clip of a sample. The key is read back from the sample itself and must be the entry's."""
    meta = read_meta(store, SHARDS, shard, entry)
    assert meta["key"] == entry.key, f"asked for {entry.key}, the tar holds {meta['key']}"
    stride = encoder.flow.stride_at(entry.fps)
    clips = clip_frames(entry.num_frames, stride, encoder.embed)
    values = encoder.features(read_clips(store, shard, entry, clips, encoder.flow.cell, encoder.train))
    times = meta["timestamps_us"]
    return [
        EmbeddingRow(
            key=entry.key,
            recording_id=entry.recording_id,
            dataset=meta["dataset"],
            label=recording.label,
            label_name=recording.label_name,
            splits=recording.splits,
            frame_start=clip[0],
            frame_end=min(clip[0] + (len(clip) - 1) * stride + 1, entry.num_frames),
            start_us=times[clip[0]],
            end_us=times[min(clip[0] + (len(clip) - 1) * stride, entry.num_frames - 1)],
            shard=shard,
            source_hash=entry.source_hash,
            embedding=value,
        )
        for clip, value in zip(clips, values, strict=True)
    ]
