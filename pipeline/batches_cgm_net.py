"""Batches of CGM-Net: clips of RGB frames and the frame after each, cropped at a corner or in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ..models.cgm_net import UNLABELLED, CgmNetBatch
from .batches_clip_classifier import looped_frames
from .clip_plan import ClipRef, TrainSample
from .frame_input import Float

if TYPE_CHECKING:
    from ..schemas.cgm_net import CgmNetSection

_CORNERS = ((0.0, 0.0), (0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (1.0, 1.0))


class RgbSource(Protocol):
    """Where RGB frames come from (`stored_frames`)."""

    def rgb(self, sample: TrainSample, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Frames (T, H, W, 3) as they are stored."""


class Square(NamedTuple):
    """What of a stored frame becomes the crop: top, left and side [px of the stored frame]."""

    top: int
    left: int
    side: int

    @classmethod
    def of(cls, size: tuple[int, int], config: CgmNetSection, crop_y: float, crop_x: float) -> Square:
        """One of five places in a frame of `size` (height, width) by crop_y, a scale by crop_x; 0.5 is the middle.

        The frame's shorter side counts as `frame_short_side`; crops down to `crop_scale` of the usual side are drawn.
        """
        height, width = size
        scale = 1 - (1 - config.crop_scale) * abs(2 * crop_x - 1)
        side = max(1, round(min(size) * scale * config.crop / config.frame_short_side))
        down, right = _CORNERS[min(int(crop_y * len(_CORNERS)), len(_CORNERS) - 1)]
        return cls(round(down * (height - side)), round(right * (width - side)), side)


def build_batch(
    clips: RgbSource,
    samples: Sequence[TrainSample],
    refs: Sequence[ClipRef],
    config: CgmNetSection,
    labels: Sequence[int] = (),
) -> CgmNetBatch:
    """The clips of one micro-batch; `labels` are the class indices that are told apart, others count as unlabelled."""
    read = [read_clip(clips, samples[ref.sample], ref, config) for ref in refs]
    frames, follows = (np.stack(arrays) for arrays in zip(*read, strict=True))
    place = {label: index for index, label in enumerate(labels)}
    classes = [place.get(samples[ref.sample].label, UNLABELLED) for ref in refs]
    return CgmNetBatch(torch.from_numpy(frames), torch.tensor(classes, dtype=torch.int64), torch.from_numpy(follows))


def read_clip(
    clips: RgbSource, sample: TrainSample, ref: ClipRef, config: CgmNetSection
) -> tuple[Float, npt.NDArray[np.bool_]]:
    """One clip with the frame after it (T + 1, 3, S, S) in [-1, 1], and whether each next frame follows (T,).

    A recording that is shorter is looped; where it begins again, the next frame does not follow.
    """
    numbers = looped_frames(ref.start, config.clip_frames + 1, sample.stride, sample.num_frames)
    frames = read_frames_once(clips, sample, numbers)
    cut = crop_frames(frames, Square.of(frames.shape[1:3], config, ref.crop_y, ref.crop_x), config.crop)
    follows = np.diff(np.array(numbers)) == sample.stride
    return (np.ascontiguousarray(cut[..., ::-1]) if ref.flip else cut), follows


def centre_clips(
    clips: RgbSource, sample: TrainSample, numbers: Sequence[Sequence[int]], config: CgmNetSection
) -> Float:
    """Clips (N, T, 3, S, S) in [-1, 1] of these frame numbers, from the middle; each stored frame is read once."""
    unique = sorted({number for clip in numbers for number in clip})
    frames = clips.rgb(sample, unique)
    cut = crop_frames(frames, Square.of(frames.shape[1:3], config, 0.5, 0.5), config.crop)
    place = {number: index for index, number in enumerate(unique)}
    return np.stack([cut[[place[number] for number in clip]] for clip in numbers])


def read_frames_once(clips: RgbSource, sample: TrainSample, numbers: Sequence[int]) -> npt.NDArray[Any]:
    """Frames (T, H, W, 3) of these numbers; one that comes twice is read once."""
    unique = sorted(set(numbers))
    frames = clips.rgb(sample, unique)
    return frames[[unique.index(number) for number in numbers]]


def crop_frames(frames: npt.NDArray[Any], square: Square, crop: int) -> Float:
    """A square of uint8 frames (T, H, W, 3) as (T, 3, crop, crop) in [-1, 1]."""
    inside = np.s_[:, square.top : square.top + square.side, square.left : square.left + square.side]
    method = cv2.INTER_AREA if square.side >= crop else cv2.INTER_LINEAR
    cut = np.stack([cv2.resize(frame, (crop, crop), interpolation=method) for frame in frames[inside]])
    return np.ascontiguousarray((cut / np.float32(127.5) - 1).transpose(0, 3, 1, 2))
