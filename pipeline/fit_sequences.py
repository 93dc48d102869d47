"""Classifiers of percept sequences, fitted in memory: a set of percepts is small beside its videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..models.lstm_classifier import FrameClassifier, LabelledSequences, LSTMClassifier, loss
from .percept_sequences import Float, windows

Network = LSTMClassifier | FrameClassifier


@dataclass(frozen=True)
class SequenceFit:
    """How a classifier is fitted: Adam, half a cosine. window, stride: frames of a window, and between two [frames].

    steps: a pre-trained encoder needs many to fit even few videos, more than one from nothing (LOG.md).
    """

    window: int = 16
    stride: int = 8
    steps: int = 1000
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    grad_clip: float = 1.0
    seed: int = 0


def fit_sequences(net: Network, videos: Sequence[Float], classes: Sequence[int], config: SequenceFit) -> None:
    """Train `net` on windows at random places of random videos (T, D); `classes` number the classes from 0."""
    rng = np.random.default_rng(config.seed)
    torch.manual_seed(config.seed)
    weights = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=config.weight_decay)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    net.train()
    for _ in range(config.steps):
        chosen = rng.integers(len(videos), size=config.batch).tolist()
        cut = np.stack([random_window(videos[number], config.window, rng) for number in chosen])
        batch = LabelledSequences(torch.from_numpy(cut), torch.tensor([classes[number] for number in chosen]))
        optimiser.zero_grad(set_to_none=True)
        loss(net, batch)["loss"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, config.grad_clip)
        optimiser.step()
        falling.step()
    net.eval()


@torch.inference_mode()
def video_scores(net: Network, videos: Sequence[Float], config: SequenceFit) -> npt.NDArray[np.float64]:
    """Scores (N, L) of videos: the mean over windows of the mean over steps of the softmax; rows sum to 1."""
    net.eval()
    cut = (torch.from_numpy(windows(video, config.window, config.stride)) for video in videos)
    return np.asarray(torch.stack([net(part).softmax(dim=1).mean(dim=0) for part in cut]).double().numpy())


def random_window(values: Float, length: int, rng: np.random.Generator) -> Float:
    """A window (length, D) at a random place; a shorter video is looped."""
    start = int(rng.integers(max(1, len(values) - length + 1)))
    return values[(start + np.arange(length)) % len(values)]
