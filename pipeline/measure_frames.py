"""How well the frames of a clip are synthesised from those before: by motion maps, by copying, and by optical flow.

Source: Tian et al. 2020, 4.1. Errors are of frames in [-1, 1]. Shapes: T frames of a clip, S side of the crop.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..models.frame_error import l1_error, psnr, ssim, synthesise_by_flow
from .optical_flow import optical_flow

FLOW_PEERS = ("dis-fast", "dis", "tv-l1", "deepflow")
COPY = "copy"
METHODS = ("run", COPY, *FLOW_PEERS)
BEST_PSNR = 10 * math.log10(12 * 255**2)
"""PSNR of 8-bit rounding alone, 58.9 dB; frames that a recording repeats count as known so well and no better."""

Figures = dict[str, float]


def measure_frames(frames: Tensor, synthesise: Callable[[Tensor], Tensor]) -> dict[str, Figures]:
    """Figures of one clip by method, for all METHODS.

    frames: float32 (T + 1, 3, S, S) in [-1, 1], of 8-bit frames. synthesise: what the run makes of the first T of them,
    its T successors (T, 3, S, S).

    l1: mean over all T successors. seen_l1: over all but the last, which all methods have seen (T >= 2). next_l1,
    next_psnr, next_ssim: of the last alone, which the run has not seen, nor has copying; optical flow has. For optical
    flow also kept_l1, kept_psnr, kept_ssim of that last one where the flow of the pair before is kept instead, so that
    it predicts too (T >= 2).
    """
    first, truth = frames[:-1], frames[1:]
    figures = {"run": errors(synthesise(first), truth), COPY: errors(first, truth)}
    for method in FLOW_PEERS:
        flow = backward_flow(frames, method)
        figures[method] = errors(synthesise_by_flow(first, flow), truth)
        if len(first) > 1:
            kept = synthesise_by_flow(first[-1:], flow[-2:-1])
            figures[method] |= {f"kept_{name}": value for name, value in one_step(kept, truth[-1:]).items()}
    return figures


def errors(predicted: Tensor, truth: Tensor) -> Figures:
    """l1 over all frames (T, 3, S, S), seen_l1 over all but the last, and the figures of the last as next_*."""
    each, last = l1_error(predicted, truth), one_step(predicted[-1:], truth[-1:])
    seen = {"seen_l1": float(each[:-1].mean())} if len(each) > 1 else {}
    return {"l1": float(each.mean())} | seen | {f"next_{name}": value for name, value in last.items()}


def one_step(predicted: Tensor, truth: Tensor) -> Figures:
    """l1, psnr (at most BEST_PSNR) and ssim of one frame (1, 3, S, S)."""
    return {
        "l1": float(l1_error(predicted, truth)),
        "psnr": min(float(psnr(predicted, truth)), BEST_PSNR),
        "ssim": float(ssim(predicted, truth)),
    }


def backward_flow(frames: Tensor, method: str) -> Tensor:
    """Flow from each frame to the one before (T, 2, S, S) [px]: where the later frame finds its pixels."""
    images = ((frames.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().astype(np.uint8)
    pairs = zip(images[1:], images[:-1], strict=True)
    return torch.from_numpy(np.stack([optical_flow(method, later, earlier) for later, earlier in pairs]))
