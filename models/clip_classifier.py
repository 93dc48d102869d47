"""A classifier of clips: an encoder of any model, the mean of its hidden maps over time and place, a linear layer.

    frames ─► encoder ─► mean over T, s x s ─► dropout ─► linear ─► logits

Shapes: B clips, T frames, S side of the crop, D channels of the encoder, L classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class LabelledBatch:
    """Clips float32 (B, T, C_in, S, S) and the index int64 (B,) of their class among those that are told apart."""

    frames: Tensor
    classes: Tensor

    def __post_init__(self) -> None:
        if self.frames.ndim != 5 or self.classes.shape != self.frames.shape[:1] or self.classes.dtype != torch.int64:
            raise ValueError(f"clips {tuple(self.frames.shape)} and {self.classes.dtype} {tuple(self.classes.shape)}")

    def to(self, device: torch.device | str) -> LabelledBatch:
        """The same batch on `device`."""
        return LabelledBatch(self.frames.to(device), self.classes.to(device))


class ClipClassifier(nn.Module):
    """Fine-tuned or trained from nothing; `encoder(frames)` gives hidden maps (B, T, D, s, s) first.

    labels: buffer int64 (L,), the dataset's class index of each column, so that checkpoints carry it.
    """

    labels: Tensor

    def __init__(self, encoder: nn.Module, channels: int, labels: Tensor, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, len(labels))
        self.register_buffer("labels", labels.to(torch.int64))

    def forward(self, frames_BTCSS: Tensor) -> Tensor:
        """Logits (B, L)."""
        hidden_BTDss = self.encoder(frames_BTCSS)[0]
        logits: Tensor = self.head(self.dropout(hidden_BTDss.mean(dim=(1, 3, 4))))
        return logits


def loss(net: nn.Module, batch: LabelledBatch) -> dict[str, Tensor]:
    """Scalars of one batch: cross-entropy `loss` [nats a clip], which alone carries gradients, and `accuracy`."""
    logits = net(batch.frames)
    right = logits.detach().argmax(dim=1) == batch.classes
    return {"loss": F.cross_entropy(logits, batch.classes), "accuracy": right.float().mean()}


def freeze_encoder(net: ClipClassifier, frozen: bool) -> None:
    """Training mode, in which a frozen encoder learns nothing and its batch norm keeps its statistics."""
    net.train()
    net.encoder.requires_grad_(not frozen)
    if frozen:
        net.encoder.eval()
