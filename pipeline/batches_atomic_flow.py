"""Batches of the atomic-flow network: two frames, and the flow of the steps that follow them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from ..models.atomic_flow import AtomicFlowBatch
from .clip_plan import ClipRef, TrainSample
from .frame_input import Float, Grid, crop_corner, crop_input

if TYPE_CHECKING:
    from ..schemas.atomic_flow import AtomicFlowSection


class ClipSource(Protocol):
    """Where clips come from: the store's tars (`stored_clips`) or a pack (`packed_clips`)."""

    def frames(self, sample: TrainSample, numbers: Sequence[int]) -> tuple[dict[str, npt.NDArray[Any]], Grid]:
        """The modality's streams, frames (T, H, W[, 3]) of the grid's size, and that grid."""

    def flow(self, sample: TrainSample, pairs: Sequence[int], grid: Grid) -> tuple[Float, Float]:
        """Flow (n, C, rows, cols) of evenly spaced pairs, and which part of each cell is valid (n, rows, cols)."""


def build_batch(
    clips: ClipSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef], config: AtomicFlowSection
) -> AtomicFlowBatch:
    """Read, crop and mirror the clips of one micro-batch."""
    read = [read_clip_and_flow(clips, samples[ref.sample], ref, config) for ref in refs]
    frames, flows, valids = (np.stack(arrays) for arrays in zip(*read, strict=True))
    return AtomicFlowBatch(torch.from_numpy(frames), torch.from_numpy(flows), torch.from_numpy(valids))


def read_clip_and_flow(
    clips: ClipSource, sample: TrainSample, ref: ClipRef, config: AtomicFlowSection
) -> tuple[Float, Float, npt.NDArray[np.bool_]]:
    """One clip: frames (2, C_in, S, S), flow (n, C, g, g) and its validity (n, g, g).

    Steps after the recording's end are invalid. Mirroring turns the images and negates δx.
    """
    pairs = sample.future_pairs(ref.start, config.steps, config.from_pair)
    streams, grid = clips.frames(sample, [ref.start, ref.start + sample.stride])
    flow, weight = clips.flow(sample, pairs, grid)
    y, x = crop_corner(grid, config.crop, ref.crop_y, ref.crop_x)
    side = config.crop // grid.cell
    inside = np.s_[..., y // grid.cell : y // grid.cell + side, x // grid.cell : x // grid.cell + side]
    target = np.zeros((config.steps, flow.shape[1], side, side), dtype=np.float32)
    valid = np.zeros((config.steps, side, side), dtype=np.bool_)
    target[: len(pairs)], valid[: len(pairs)] = flow[inside], weight[inside] >= 0.5
    frames = crop_input(streams, config, (y, x))
    if ref.flip:
        frames, target, valid = frames[..., ::-1].copy(), target[..., ::-1].copy(), valid[..., ::-1].copy()
        target[:, 0] *= -1
    return frames, target, valid
