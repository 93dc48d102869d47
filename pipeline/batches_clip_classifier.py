"""Batches of the clip classifier: frames a flow step apart, and the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..models.clip_classifier import LabelledBatch
from .batches_atomic_flow import ClipSource
from .clip_plan import ClipRef, TrainSample
from .frame_input import Float, crop_corner, crop_input

if TYPE_CHECKING:
    from ..schemas.atomic_flow import AtomicFlowSection


def build_labelled_batch(
    clips: ClipSource,
    samples: Sequence[TrainSample],
    refs: Sequence[ClipRef],
    config: AtomicFlowSection,
    clip_frames: int,
    labels: Sequence[int],
) -> LabelledBatch:
    """The clips of one micro-batch; `labels` are the class indices that are told apart, ascending."""
    read = [read_labelled_clip(clips, samples[ref.sample], ref, config, clip_frames) for ref in refs]
    place = {label: index for index, label in enumerate(labels)}
    classes = [place[samples[ref.sample].label] for ref in refs]
    return LabelledBatch(torch.from_numpy(np.stack(read)), torch.tensor(classes, dtype=torch.int64))


def read_labelled_clip(
    clips: ClipSource, sample: TrainSample, ref: ClipRef, config: AtomicFlowSection, clip_frames: int
) -> Float:
    """One clip (T, C_in, S, S), cropped and perhaps mirrored; a recording shorter than the clip is looped."""
    numbers = looped_frames(ref.start, clip_frames, sample.stride, sample.num_frames)
    unique = sorted(set(numbers))
    streams, grid = clips.frames(sample, unique)
    frames = crop_input(streams, config, crop_corner(grid, config.crop, ref.crop_y, ref.crop_x))
    frames = frames[[unique.index(number) for number in numbers]]
    return np.ascontiguousarray(frames[..., ::-1]) if ref.flip else frames


def centre_clips(
    clips: ClipSource, sample: TrainSample, numbers: Sequence[Sequence[int]], config: AtomicFlowSection
) -> Float:
    """Clips (N, T, C_in, S, S) of a sample by their frame numbers, centre crops; each stored frame is read once."""
    unique = sorted({number for clip in numbers for number in clip})
    streams, grid = clips.frames(sample, unique)
    frames = crop_input(streams, config, crop_corner(grid, config.crop, 0.5, 0.5))
    place = {number: index for index, number in enumerate(unique)}
    return np.stack([frames[[place[number] for number in clip]] for clip in numbers])


def looped_frames(start: int, frames: int, stride: int, num_frames: int) -> list[int]:
    """Frame numbers of a clip, which goes on from the start where the recording ends."""
    return [(start + i * stride) % num_frames for i in range(frames)]


def spaced_clips(num_frames: int, stride: int, num_clips: int, frames: int) -> list[list[int]]:
    """Frame numbers of evenly spaced clips. A shorter recording is looped; starts that coincide are made once."""
    last = max(0, num_frames - (frames - 1) * stride - 1)
    starts = np.unique(np.round(np.linspace(0, last, num_clips)).astype(int))
    return [looped_frames(int(start), frames, stride, num_frames) for start in starts]
