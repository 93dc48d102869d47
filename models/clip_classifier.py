"""A classifier of clips: an encoder of any model, the mean of its hidden maps over time and place, a linear layer.

    frames ─► encoder ─► mean over T and to a p x p grid ─► batch norm ─► dropout ─► linear ─► logits

Shapes: B clips, T frames, S side of the crop, D channels and s side of the encoder's maps, L classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .pool_clip import pool_clip


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

    Batch norm gives the linear layer inputs of unit spread, whatever the encoder's: a pre-trained one's differ by some
    thousandths from clip to clip, and such a layer learns nothing from them in any number of steps that one would wait.
    labels: buffer int64 (L,), the dataset's class index of each column, so that checkpoints carry it.
    ValueError where the grid is finer than the encoder's maps, at the first clip.
    """

    labels: Tensor

    def __init__(self, encoder: nn.Module, channels: int, labels: Tensor, pool_grid: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool_grid = pool_grid
        size = channels * pool_grid**2
        self.head = nn.Sequential(nn.BatchNorm1d(size, affine=False), nn.Dropout(dropout), nn.Linear(size, len(labels)))
        self.register_buffer("labels", labels.to(torch.int64))

    def forward(self, frames_BTCSS: Tensor) -> Tensor:
        """Logits (B, L)."""
        hidden_BTDss = self.encoder(frames_BTCSS)[0]
        logits: Tensor = self.head(pool_clip(hidden_BTDss, self.pool_grid))
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
