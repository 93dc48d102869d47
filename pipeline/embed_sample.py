"""Clips of a sample and their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.embedding import EmbeddingRow
from ..schemas.recording import Recording
from ..schemas.report import SampleEntry
from .artefacts import SHARDS
from .clip_plan import TrainSample
from .read_sample import read_meta
from .score_clips import ClipScorer
from .store import Store


def embed_sample(
    store: Store, sample: TrainSample, entry: SampleEntry, recording: Recording, scorer: ClipScorer
) -> list[EmbeddingRow]:
    """One row for each clip of a sample. The key is read back from the sample itself and must be the entry's."""
    meta = read_meta(store, SHARDS, sample.shard, entry)
    assert meta["key"] == entry.key, f"asked for {entry.key}, the tar holds {meta['key']}"
    clips = scorer.cut(sample)
    rows = zip(clips, scorer.rows(sample, clips), strict=True)
    return [embedding_row(meta, sample.shard, entry, recording, clip, value.astype(np.float32)) for clip, value in rows]


def embedding_row(
    meta: dict[str, Any],
    shard: int,
    entry: SampleEntry,
    recording: Recording,
    clip: Sequence[int],
    embedding: npt.NDArray[np.float32],
) -> EmbeddingRow:
    """The row of a clip by its frame numbers; one that began again from the start has seen the whole recording."""
    goes_on = all(later > earlier for earlier, later in pairwise(clip))
    last, times = clip[-1] if goes_on else entry.num_frames - 1, meta["timestamps_us"]
    return EmbeddingRow(
        key=entry.key,
        recording_id=entry.recording_id,
        dataset=meta["dataset"],
        label=recording.label,
        label_name=recording.label_name,
        splits=recording.splits,
        frame_start=clip[0],
        frame_end=last + 1,
        start_us=times[clip[0]],
        end_us=times[last],
        shard=shard,
        source_hash=entry.source_hash,
        embedding=embedding,
    )
