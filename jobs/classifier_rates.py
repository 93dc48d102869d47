"""Step sizes of a classifier's parts: a head on an encoder, which may stand still in the first epochs."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..models.weight_groups import weight_groups
from .train_job import TrainJob


def head_and_encoder(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    """Parameters of `net.head` and `net.encoder` for the optimiser, each at its own rate."""
    assert job.finetune is not None
    rates = {"head": job.finetune.head_rate, "encoder": job.finetune.encoder_rate}
    return [
        group | {"part": part, "full_rate": rate}
        for part, rate in rates.items()
        for group in weight_groups(net.get_submodule(part), job.loop.weight_decay)
    ]


def is_frozen(job: TrainJob, epoch: int) -> bool:
    """Whether the head learns alone in an epoch."""
    assert job.finetune is not None
    return epoch < job.finetune.frozen_epochs


def rate_factors(job: TrainJob, epoch: int, still: tuple[str, ...] = ("encoder",)) -> dict[str, float]:
    """Factors of the parts' rates in an epoch; `still`: those that are frozen at first."""
    assert job.finetune is not None
    if not is_frozen(job, epoch):
        return {}
    return {"head": job.finetune.frozen_rate / job.finetune.head_rate, **dict.fromkeys(still, 0.0)}
