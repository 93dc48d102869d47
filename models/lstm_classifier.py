"""The LSTM classifier of Srivastava et al. 2015, figure 11: a softmax at every step, all trained with the one label.

A window is scored by the mean of its steps' softmax outputs, a video by the mean of its windows.

Shapes: B windows, T frames, D values a frame, L classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lstm import Stack
from .lstm_start import start_orthogonal
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

    def to(self, device: torch.device | str) -> LabelledSequences:
        """The same batch on `device`."""
        return LabelledSequences(self.frames.to(device), self.classes.to(device))


class LSTMClassifier(nn.Module):
    """The encoder and a linear layer on each step's output. `labels`: the class indices that it tells apart."""

    labels: Tensor

    def __init__(self, values: int, config: LSTMSection, labels: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Stack(values, config)
        if config.start == "orthogonal":
            start_orthogonal(self.encoder)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden, len(labels))
        nn.init.uniform_(self.head.weight, -WEIGHT_RANGE, WEIGHT_RANGE)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("labels", labels.to(torch.int64))

    def steps(self, frames: Tensor) -> Tensor:
        """Logits of every step (B, T, L) of windows (B, T, D)."""
        frames_TBD = self.dropout(frames).movedim(1, 0)
        outputs, _ = self.encoder(frames_TBD, self.encoder.zero_states(len(frames)), len(frames_TBD))
        logits: Tensor = self.head(self.dropout(outputs)).movedim(0, 1)
        return logits

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of windows (B, L), whose softmax is the mean over the steps of theirs."""
        return mean_of_steps(self.steps(frames))


class FrameClassifier(nn.Module):
    """The baseline without time: a linear layer on each single frame, softmax outputs averaged likewise."""

    labels: Tensor

    def __init__(self, values: int, labels: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(values, len(labels))
        nn.init.uniform_(self.head.weight, -WEIGHT_RANGE, WEIGHT_RANGE)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("labels", labels.to(torch.int64))

    def steps(self, frames: Tensor) -> Tensor:
        """Logits of every frame (B, T, L)."""
        logits: Tensor = self.head(self.dropout(frames))
        return logits

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of windows (B, L), as those of the LSTM."""
        return mean_of_steps(self.steps(frames))


def mean_of_steps(logits_BTL: Tensor) -> Tensor:
    """The logarithm of the mean over steps of their softmax (B, L)."""
    return logits_BTL.float().log_softmax(dim=2).logsumexp(dim=1) - math.log(logits_BTL.shape[1])


def loss(net: LSTMClassifier | FrameClassifier, batch: LabelledSequences) -> dict[str, Tensor]:
    """loss: cross-entropy, a mean over steps and windows [nats]; accuracy: of the windows."""
    logits = net.steps(batch.frames).float()
    every_step = batch.classes[:, None].expand(logits.shape[:2])
    chosen = mean_of_steps(logits.detach()).argmax(dim=1)
    return {
        "loss": F.cross_entropy(logits.flatten(0, 1), every_step.flatten()),
        "accuracy": (chosen == batch.classes).float().mean(),
    }
