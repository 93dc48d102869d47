"""Batches of Moving MNIST, drawn by the device that learns from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..models.lstm import SequenceBatch
from ..models.moving_digits import draw_digits
from .moving_mnist import SIDE, MovingMnist


@dataclass(frozen=True)
class DigitBatches:
    """Batches of generated sequences; any one can be made without those before it.

    images: those of `sequences` on the device that draws the frames.
    """

    sequences: MovingMnist
    images: Tensor

    @classmethod
    def on(cls, sequences: MovingMnist, device: torch.device | str) -> DigitBatches:
        """Batches drawn by a device."""
        return cls(sequences, torch.tensor(sequences.images, device=device))

    def batch(self, start: int, stop: int) -> SequenceBatch:
        """Sequences start … stop-1, pixels in 0 … 1."""
        if self.images.device.type == "cpu":
            return grey_sequences(torch.from_numpy(self.sequences.frames(start, stop)))
        rows = self._sent(self.sequences.digits(start, stop))
        corners = self._sent(self.sequences.positions(start, stop).astype(np.int64))
        return grey_sequences(draw_digits(self.images[rows], corners, SIDE))

    def _sent(self, numbers: npt.NDArray[np.int64]) -> Tensor:
        """The numbers on the device, which is not waited for."""
        return torch.from_numpy(numbers).pin_memory().to(self.images.device, non_blocking=True)


def grey_sequences(frames: Tensor) -> SequenceBatch:
    """uint8 (B, T, H, W) as (B, T, H * W) in 0 … 1."""
    return SequenceBatch(frames.flatten(2).float() / 255)
