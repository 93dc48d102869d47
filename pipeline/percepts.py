"""Percepts: what an image network says of the frames of a sample, one row a frame or a clip."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.embedding import EmbeddingRow
from ..schemas.errors import BadSampleError
from ..schemas.recipe import EmbedSection
from ..schemas.recording import Recording
from ..schemas.report import SampleEntry
from .artefacts import SHARDS
from .batches_clip_classifier import spaced_clips
from .embed_sample import embedding_row
from .read_sample import has_stream, read_frames, read_meta
from .store import Store

Frames = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]


def percept_rows(
    store: Store,
    shard: int,
    entry: SampleEntry,
    recording: Recording,
    embed: EmbedSection,
    features: Callable[[Frames], Float],
    side: int,
) -> list[EmbeddingRow]:
    """One row for each of `num_clips` evenly spaced frames, or clips of consecutive frames, which are averaged.

    features: square images uint8 (N, side, side, 3) to (N, D).
    """
    if not has_stream(entry, "rgb"):
        raise BadSampleError("no-rgb", f"image networks need rgb frames, which {entry.key} lacks")
    meta = read_meta(store, SHARDS, shard, entry)
    length = embed.clip_frames if embed.per == "clip" else 1
    clips = spaced_clips(entry.num_frames, 1, embed.num_clips, length)
    needed = sorted({number for clip in clips for number in clip})
    rgb = read_frames(store, SHARDS, shard, entry, "rgb", needed)
    values = dict(zip(needed, features(centre_squares(rgb, side)), strict=True))
    means = [np.stack([values[number] for number in clip]).mean(axis=0, dtype=np.float32) for clip in clips]
    return [embedding_row(meta, shard, entry, recording, clip, mean) for clip, mean in zip(clips, means, strict=True)]


def centre_squares(frames: Frames, side: int) -> Frames:
    """The middle square of frames (N, H, W, C), as large as they allow, at `side` px."""
    height, width = frames.shape[1:3]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    squares = frames[:, top : top + short, left : left + short]
    method = cv2.INTER_AREA if short > side else cv2.INTER_LINEAR
    return np.stack([cv2.resize(np.ascontiguousarray(s), (side, side), interpolation=method) for s in squares])
