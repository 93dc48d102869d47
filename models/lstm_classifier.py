"""The LSTM classifier of Srivastava et al. 2015, figure 11: a softmax at every step, all trained with the one label.

A window is scored by the mean of its steps' softmax outputs, a video by the mean of its windows.

Shapes: B windows, T frames, D values a frame, L classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .lstm import Stack
from .peephole_lstm import WEIGHT_RANGE

if TYPE_CHECKING:
    from ..schemas.lstm_section import LSTMSection


@dataclass(frozen=True)
class LabelledSequences:
    """Windows (B, T, D) float and the number of each one's class (B,)."""

    frames: Tensor
    classes: Tensor

    def __post_init__(self) -> None:
        if self.frames.ndim != 3 or self.classes.shape != (len(self.frames),):
            raise ValueError(f"{tuple(self.frames.shape)} frames and {tuple(self.classes.shape)} classes do not fit")

    def to(self, device: str) -> LabelledSequences:
        """The same batch on `device`."""
        return LabelledSequences(self.frames.to(device), self.classes.to(device))


class LSTMClassifier(nn.Module):
    """The encoder and a linear layer on each step's output. `labels`: the class indices that it tells apart."""

    labels: Tensor

    def __init__(self, values: int, config: LSTMSection, labels: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Stack(values, config)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden, len(labels))
        nn.init.uniform_(self.head.weight, -WEIGHT_RANGE, WEIGHT_RANGE)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("labels", labels)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of every step (B, T, L)."""
        frames_TBD = self.dropout(frames).movedim(1, 0)
        outputs, _ = self.encoder(frames_TBD, self.encoder.zero_states(len(frames)), len(frames_TBD))
        logits: Tensor = self.head(self.dropout(outputs)).movedim(0, 1)
        return logits

    def window_scores(self, frames: Tensor) -> Tensor:
        """Mean over the steps of their softmax (B, L)."""
        return self(frames).float().softmax(dim=2).mean(dim=1)


class FrameClassifier(nn.Module):
    """The baseline without time: a linear layer on each single frame, softmax outputs averaged likewise."""

    labels: Tensor

    def __init__(self, values: int, labels: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(values, len(labels))
        nn.init.uniform_(self.head.weight, -WEIGHT_RANGE, WEIGHT_RANGE)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("labels", labels)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of every frame (B, T, L)."""
        logits: Tensor = self.head(self.dropout(frames))
        return logits

    def window_scores(self, frames: Tensor) -> Tensor:
        """Mean over the frames of their softmax (B, L)."""
        return self(frames).float().softmax(dim=2).mean(dim=1)


def loss(net: nn.Module | DistributedDataParallel, batch: LabelledSequences) -> dict[str, Tensor]:
    """loss: cross-entropy, a mean over steps and windows [nats]; accuracy: of the windows."""
    logits = net(batch.frames).float()
    every_step = batch.classes[:, None].expand(logits.shape[:2])
    chosen = logits.detach().softmax(dim=2).mean(dim=1).argmax(dim=1)
    return {
        "loss": F.cross_entropy(logits.flatten(0, 1), every_step.flatten()),
        "accuracy": (chosen == batch.classes).float().mean(),
    }
