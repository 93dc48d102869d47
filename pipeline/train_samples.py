"""The samples of a run as one small file, which every worker reads: what the plan of clips needs of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .clip_plan import TrainSample, held_out_groups


@dataclass(frozen=True)
class TrainSamples:
    """Samples to learn from, and those of other groups that the loss is watched on (perhaps none)."""

    learned: Sequence[TrainSample]
    held_out: Sequence[TrainSample]

    @classmethod
    def split(cls, samples: Sequence[TrainSample], fraction: float, seed: int) -> TrainSamples:
        """Hold whole groups out until they have `fraction` of the samples."""
        out = held_out_groups([sample.group for sample in samples], fraction, seed)
        return cls([s for s in samples if s.group not in out], [s for s in samples if s.group in out])


def samples_to_bytes(samples: TrainSamples) -> bytes:
    """The file: a .npz of plain arrays."""
    every = [*samples.learned, *samples.held_out]
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        learned=np.array(len(samples.learned)),
        shard=np.array([s.shard for s in every], dtype=np.int32),
        key=np.array([s.key for s in every], dtype=np.str_),
        recording_id=np.array([s.recording_id for s in every], dtype=np.str_),
        group=np.array([s.group for s in every], dtype=np.str_),
        num_frames=np.array([s.num_frames for s in every], dtype=np.int32),
        stride=np.array([s.stride for s in every], dtype=np.int32),
        label=np.array([s.label for s in every], dtype=np.int32),
        pairs=np.array([len(s.motion) for s in every], dtype=np.int32),
        motion=np.concatenate([np.zeros(0, np.float32), *(s.motion for s in every)]),
    )
    return stream.getvalue()


def samples_from_bytes(data: bytes) -> TrainSamples:
    """The samples of a file that `samples_to_bytes` made."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        columns = [arrays[name].tolist() for name in ("shard", "key", "recording_id", "group", "num_frames", "stride")]
        motion = np.split(arrays["motion"], np.cumsum(arrays["pairs"])[:-1])
        rows = zip(*columns, motion, arrays["label"].tolist(), strict=True) if columns[0] else ()
        every = [TrainSample(*row) for row in rows]
        learned = int(arrays["learned"])
    return TrainSamples(every[:learned], every[learned:])
