"""What an LSTM makes of sequences, as frames to be looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..models.lstm import LSTMNet, SequenceBatch

Frames = npt.NDArray[np.uint8]


@torch.inference_mode()
def predict_frames(
    net: LSTMNet, batch: SequenceBatch, size: tuple[int, ...], scale: float = 1.0, offset: float = 0.0
) -> Iterator[tuple[Frames, dict[str, Frames]]]:
    """Of each sequence its true frames and what each decoder made, uint8 (T, *size), running freely.

    size: (H, W) or (H, W, 3). scale, offset: value * scale + offset is brightness in 0 … 1. The
    reconstruction is turned back into the order of its input.
    """
    net.eval()
    made = net(batch.frames, told=False)
    if net.config.output == "bernoulli":
        made = {name: torch.sigmoid(frames) for name, frames in made.items()}
    if "reconstruction" in made:
        made["reconstruction"] = made["reconstruction"].flip(1)
    for number, truth in enumerate(batch.frames):
        shown = {name: _levels(frames[number] * scale + offset, size) for name, frames in made.items()}
        yield _levels(truth * scale + offset, size), shown


def _levels(frames: Tensor, size: tuple[int, ...]) -> Frames:
    """Values in 0 … 1 to 0 … 255."""
    levels = (frames.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return np.asarray(levels.reshape(len(levels), *size))
