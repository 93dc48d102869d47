"""How well an LSTM predicts and reconstructs, running freely: the loss of each frame, beside what costs nothing.

The unit is that of the model's loss, summed over the values of a frame: nats where frames are Bernoulli, half a squared
error where they are not (Srivastava et al. 2015, table 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.lstm import LSTMNet, SequenceBatch, targets_of


@dataclass(frozen=True)
class DecoderScore:
    """Of one decoder. by_frame: loss of each frame in its order of making, last_frame: that of repeating the last
    input frame. floor: loss of a perfect prediction. constant: that of the mean value everywhere."""

    loss: float
    by_frame: list[float]
    floor: float
    constant: float
    last_frame: float
    squared_error: float


@torch.inference_mode()
def score_predictions(net: LSTMNet, batches: Iterable[SequenceBatch]) -> dict[str, DecoderScore]:
    """Scores of all decoders over all sequences; conditional decoders see their own frames alone."""
    net.eval()
    sums: dict[str, Tensor] = {}
    count = 0
    for batch in batches:
        count += len(batch.frames)
        for name, made in net(batch.frames, told=False).items():
            targets = targets_of(batch.frames, name, net.config)
            last = batch.frames[:, net.config.input_frames - 1, None].expand_as(targets)
            rows = _losses(made.float(), targets, last, bernoulli=net.config.output == "bernoulli")
            sums[name] = sums.get(name, torch.zeros_like(rows)) + rows
    values = 0 if not count else batch.frames.shape[2]
    bernoulli = net.config.output == "bernoulli"
    return {name: _score(rows / count, values, bernoulli) for name, rows in sums.items()}


def _losses(made: Tensor, targets: Tensor, last: Tensor, bernoulli: bool) -> Tensor:
    """Sums over sequences, float64 (6, T'): loss, floor, loss of `last`, squared error, sums of targets and squares."""

    def total(values: Tensor) -> Tensor:
        return values.sum(dim=2).double().sum(dim=0)

    if bernoulli:
        loss = F.binary_cross_entropy_with_logits(made, targets, reduction="none")
        floor = F.binary_cross_entropy(targets, targets, reduction="none")
        # a certain prediction that is wrong costs without bound; half a grey step is left open
        open_last = last.clamp(1 / 510, 1 - 1 / 510)
        still = F.binary_cross_entropy(open_last, targets, reduction="none")
        made = torch.sigmoid(made)
    else:
        loss, floor = (made - targets).square() / 2, torch.zeros_like(targets)
        still = (last - targets).square() / 2
    squared = (made - targets).square()
    return torch.stack([total(part) for part in (loss, floor, still, squared, targets, targets.square())])


def _score(means: Tensor, values: int, bernoulli: bool) -> DecoderScore:
    loss, floor, still, squared, sums, squares = means.cpu()
    mean = sums.mean().item() / values
    if bernoulli:
        constant = -values * (mean * math.log(mean) + (1 - mean) * math.log(1 - mean)) if 0 < mean < 1 else 0.0
    else:
        constant = (squares.mean().item() - values * mean * mean) / 2
    return DecoderScore(
        loss=loss.mean().item(),
        by_frame=loss.tolist(),
        floor=floor.mean().item(),
        constant=constant,
        last_frame=still.mean().item(),
        squared_error=squared.mean().item(),
    )
