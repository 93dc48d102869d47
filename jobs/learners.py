"""The models that can be trained, by name: how each is built, what it learns from, and its loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..models import atomic_flow, clip_classifier
from ..models.weight_groups import weight_groups
from ..pipeline.batches_atomic_flow import ClipSource, build_batch
from ..pipeline.batches_clip_classifier import build_labelled_batch
from ..pipeline.clip_plan import ClipRef, Starts, TrainSample, clip_starts, flow_starts
from ..schemas.errors import MotionpipeError
from .run_files import load_checkpoint
from .train_job import TrainJob

if TYPE_CHECKING:
    from ..schemas.recipe import LoopSection


@dataclass(frozen=True)
class Learner:
    """What the training loop knows of a model.

    build: a new network; its weights follow from torch's seed. groups: its parameters for the optimiser, `full_rate`
    their step size before the schedule, `part` which part of the network they are. begin: put it into training mode for
    an epoch, and return factors of the rates of parts in it, where they are not 1. starts: first frames that clips may
    have. flip: whether clips are mirrored. read: a batch of clips. loss: scalars of a batch at a part of the run in
    [0, 1]; only `loss` carries gradients.
    """

    build: Callable[[TrainJob], nn.Module]
    groups: Callable[[nn.Module, TrainJob], list[dict[str, Any]]]
    begin: Callable[[nn.Module, TrainJob, int], dict[str, float]]
    starts: Callable[[TrainJob], Starts]
    flip: Callable[[TrainJob], bool]
    read: Callable[[TrainJob, ClipSource, Sequence[TrainSample], Sequence[ClipRef]], Any]
    loss: Callable[[Any, Any, float], dict[str, Tensor]]


def _build_predictor(job: TrainJob) -> nn.Module:
    assert job.codebook is not None
    return atomic_flow.build(job.network, job.codebook)


def _begin_predictor(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    net.train()
    return {}


def _flow_starts(job: TrainJob) -> Starts:
    network = job.network
    return partial(flow_starts, steps=network.steps, moving_clips=network.moving_clips, from_pair=network.from_pair)


def _predictor_groups(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    groups = weight_groups(net, job.loop.weight_decay, kept=("offsets",))
    return [group | {"part": "network", "full_rate": job.network.learning_rate} for group in groups]


def _build_classifier(job: TrainJob) -> nn.Module:
    assert job.finetune is not None
    encoder = atomic_flow.build_encoder(job.network)
    labels = torch.tensor(list(job.labels))
    finetune = job.finetune
    net = clip_classifier.ClipClassifier(encoder, job.network.hidden, labels, finetune.pool_grid, finetune.dropout)
    if job.init:
        load_encoder(encoder, load_checkpoint(*job.init)["model"])
    return net


def _classifier_groups(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    assert job.finetune is not None
    assert isinstance(net, clip_classifier.ClipClassifier)
    rates = {"head": job.finetune.head_rate, "encoder": job.finetune.encoder_rate}
    return [
        group | {"part": part, "full_rate": rate}
        for part, rate in rates.items()
        for group in weight_groups(net.get_submodule(part), job.loop.weight_decay)
    ]


def _begin_classifier(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    assert job.finetune is not None
    assert isinstance(net, clip_classifier.ClipClassifier)
    frozen = epoch < job.finetune.frozen_epochs
    clip_classifier.freeze_encoder(net, frozen)
    return {"head": job.finetune.frozen_rate / job.finetune.head_rate, "encoder": 0.0} if frozen else {}


def _read_labelled(job: TrainJob, clips: ClipSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef]) -> Any:
    assert job.finetune is not None
    return build_labelled_batch(clips, samples, refs, job.network, job.finetune.clip_frames, job.labels)


LEARNERS = {
    "atomic-flow": Learner(
        build=_build_predictor,
        groups=_predictor_groups,
        begin=_begin_predictor,
        starts=_flow_starts,
        flip=lambda job: job.network.flip,
        read=lambda job, clips, samples, refs: build_batch(clips, samples, refs, job.network),
        loss=atomic_flow.loss,
    ),
    "atomic-flow/classify": Learner(
        build=_build_classifier,
        groups=_classifier_groups,
        begin=_begin_classifier,
        starts=lambda job: partial(clip_starts, frames=job.finetune.clip_frames if job.finetune else 1),
        flip=lambda job: bool(job.finetune and job.finetune.flip),
        read=_read_labelled,
        loss=lambda net, batch, progress: clip_classifier.loss(net, batch),
    ),
}


def load_encoder(encoder: nn.Module, model: dict[str, Tensor]) -> None:
    """The encoder's weights of a checkpoint's network, whatever else that holds; one clear error where they differ."""
    state = {name.removeprefix("encoder."): value for name, value in model.items() if name.startswith("encoder.")}
    own = encoder.state_dict()
    other = [name for name in own if name not in state or state[name].shape != own[name].shape]
    if other or len(state) != len(own):
        found = tuple(state[other[0]].shape) if other and other[0] in state else "nothing"
        wanted = tuple(own[other[0]].shape) if other else "fewer weights"
        raise MotionpipeError(f"the checkpoint's encoder has {found} where this recipe's has {wanted}: another network")
    encoder.load_state_dict(state)


def trained_network(task: str, network: Any, model: dict[str, Tensor]) -> nn.Module:
    """The network of a checkpoint, in evaluation mode, by what its weights say of codewords or classes."""
    net: nn.Module
    if task == "pretrain":
        net = atomic_flow.build(network, atomic_flow.codebook_of(model))
    else:
        encoder = atomic_flow.build_encoder(network)
        pool_grid = math.isqrt(model["head.2.weight"].shape[1] // network.hidden)
        net = clip_classifier.ClipClassifier(encoder, network.hidden, model["labels"], pool_grid, 0.0)
    net.load_state_dict(model)
    return net.eval()


def mixed_precision(config: LoopSection, device: torch.device) -> torch.autocast:
    """Forward passes of a run: in bfloat16 where the recipe says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
