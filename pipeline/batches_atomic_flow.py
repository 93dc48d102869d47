"""Batches of the atomic-flow network: two frames, and the flow of the steps that follow them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..models.atomic_flow import AtomicFlowBatch
from ..schemas.recipe import TrainSection
from .artefacts import SHARDS
from .clip_plan import ClipRef, TrainSample
from .flow_cells import resample_cells
from .frame_input import Float, crop_corner, network_grid, prepare_frames
from .read_flow import read_rows
from .read_sample import read_frames
from .store import Store

STREAMS = {"depth": ("depth",), "rgb": ("rgb",), "rgbd": ("rgb", "depth")}


def build_batch(
    store: Store,
    flow_folder: str,
    cell: int,
    samples: Sequence[TrainSample],
    refs: Sequence[ClipRef],
    config: TrainSection,
) -> AtomicFlowBatch:
    """Read, crop and mirror the clips of one micro-batch; `cell` is the side of a stored flow cell [px]."""
    clips = [read_clip_and_flow(store, flow_folder, cell, samples[ref.sample], ref, config) for ref in refs]
    frames, flows, valids = (np.stack(arrays) for arrays in zip(*clips, strict=True))
    return AtomicFlowBatch(torch.from_numpy(frames), torch.from_numpy(flows), torch.from_numpy(valids))


def read_clip_and_flow(
    store: Store, flow_folder: str, cell: int, sample: TrainSample, ref: ClipRef, config: TrainSection
) -> tuple[Float, Float, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """One clip: frames (2, C_in, S, S), flow (n, C, g, g) and its validity (n, g, g).

    Steps after the recording's end are invalid. Mirroring turns the images and negates δx.
    """
    stream_names = STREAMS[config.modality]
    pairs = sample.future_pairs(ref.start, config.steps)
    rows = slice(pairs[0], pairs[-1] + 1)
    place = (store, flow_folder, sample.shard, sample.flow)
    flow = read_rows(*place, "flow.npy", rows)[:: sample.stride].astype(np.float32)
    counts = read_rows(*place, "valid.npy", rows)[:: sample.stride].astype(np.float32)
    grid = network_grid((flow.shape[2], flow.shape[3]), cell, config)
    pooled, weight = resample_cells(flow, counts / np.float32(cell**2), grid.rows, grid.cols)
    y, x = crop_corner(grid, config.crop, ref.crop_y, ref.crop_x)
    side = config.crop // grid.cell
    inside = np.s_[..., y // grid.cell : y // grid.cell + side, x // grid.cell : x // grid.cell + side]
    target = np.zeros((config.steps, flow.shape[1], side, side), dtype=np.float32)
    valid = np.zeros((config.steps, side, side), dtype=np.bool_)
    target[: len(pairs)], valid[: len(pairs)] = pooled[inside], weight[inside] >= 0.5
    frame_numbers = [ref.start, ref.start + sample.stride]
    stored = {
        name: read_frames(store, SHARDS, sample.shard, sample.frames, name, frame_numbers) for name in stream_names
    }
    height, width = stored[stream_names[-1]].shape[1:3]
    covered = (flow.shape[2] * cell / height, flow.shape[3] * cell / width)
    frames = prepare_frames(stored, covered, grid, config, (y, x))
    if ref.flip:
        frames, target, valid = frames[..., ::-1].copy(), target[..., ::-1].copy(), valid[..., ::-1].copy()
        target[:, 0] *= -1
    return frames, target, valid
