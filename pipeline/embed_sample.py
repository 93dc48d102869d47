"""Clips of a sample and their embeddings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

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
            frame_end=_last_frame(clip, sample) + 1,
            start_us=times[clip[0]],
            end_us=times[_last_frame(clip, sample)],
            shard=sample.shard,
            source_hash=entry.source_hash,
            embedding=value.astype(np.float32),
        )
        for clip, value in zip(clips, scorer.rows(sample, clips), strict=True)
    ]


def _last_frame(clip: list[int], sample: TrainSample) -> int:
    """The last frame that a clip has seen; one that began again has seen the whole recording."""
    goes_on = all(later > earlier for earlier, later in pairwise(clip))
    return clip[-1] if goes_on else sample.num_frames - 1
