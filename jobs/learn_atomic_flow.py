"""Atomic flow as a learner: pre-training on the codewords of flow to come, and classifiers from its encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..models import atomic_flow, clip_classifier
from ..models.weight_groups import weight_groups
from ..pipeline.batches_atomic_flow import ClipSource, build_batch
from ..pipeline.batches_clip_classifier import build_labelled_batch, centre_clips, spaced_clips
from ..pipeline.clip_plan import ClipRef, Starts, TrainSample, clip_starts, flow_starts
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from .classifier_rates import head_and_encoder, is_frozen, rate_factors
from .learner import Learner
from .run_files import load_checkpoint
from .train_job import TrainJob


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
    return [group | {"part": "network", "full_rate": job.train.learning_rate} for group in groups]


def _build_classifier(job: TrainJob) -> nn.Module:
    assert job.finetune is not None
    encoder = atomic_flow.build_encoder(job.network)
    labels = torch.tensor(list(job.labels))
    finetune = job.finetune
    net = clip_classifier.ClipClassifier(encoder, job.network.hidden, labels, finetune.pool_grid, finetune.dropout)
    if job.init:
        load_encoder(encoder, load_checkpoint(*job.init)["model"])
    return net


def _begin_classifier(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    assert isinstance(net, clip_classifier.ClipClassifier)
    clip_classifier.freeze_encoder(net, is_frozen(job, epoch))
    return rate_factors(job, epoch)


def _read_labelled(job: TrainJob, clips: ClipSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef]) -> Any:
    assert job.finetune is not None
    return build_labelled_batch(clips, samples, refs, job.network, job.finetune.clip_frames, job.labels)


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


def _restore_predictor(network: Any, model: dict[str, Tensor]) -> nn.Module:
    """By what the weights say of codewords."""
    net = atomic_flow.build(network, atomic_flow.codebook_of(model))
    net.load_state_dict(model)
    return net.eval()


def _restore_classifier(network: Any, model: dict[str, Tensor]) -> nn.Module:
    """By what the weights say of classes and of the grid that maps are pooled to."""
    encoder = atomic_flow.build_encoder(network)
    pool_grid = math.isqrt(model["head.2.weight"].shape[1] // network.hidden)
    net = clip_classifier.ClipClassifier(encoder, network.hidden, model["labels"], pool_grid, 0.0)
    net.load_state_dict(model)
    return net.eval()


def _cut(network: Any, sample: TrainSample, num_clips: int, frames: int) -> list[list[int]]:
    return spaced_clips(sample.num_frames, sample.stride, num_clips, frames)


def _show(network: Any, clips: ClipSource, sample: TrainSample, numbers: Sequence[Sequence[int]]) -> Any:
    return centre_clips(clips, sample, numbers, network)


def _open(store: Store, flow_folder: str | None, cell: int, network: Any) -> ClipSource:
    # here, since a machine that trains from a pack has no pydantic
    from ..pipeline.stored_clips import StoredClips

    return StoredClips(store, flow_folder, cell, network)


PRETRAIN = Learner(
    open=_open,
    modality=lambda network: str(network.modality),
    build=_build_predictor,
    groups=_predictor_groups,
    begin=_begin_predictor,
    starts=_flow_starts,
    flip=lambda job: bool(job.network.flip),
    read=lambda job, clips, samples, refs: build_batch(clips, samples, refs, job.network),
    loss=atomic_flow.loss,
    restore=_restore_predictor,
    cut=_cut,
    show=_show,
    features=atomic_flow.features,
)

CLASSIFY = replace(
    PRETRAIN,
    build=_build_classifier,
    groups=head_and_encoder,
    begin=_begin_classifier,
    starts=lambda job: partial(clip_starts, frames=job.finetune.clip_frames if job.finetune else 1),
    flip=lambda job: bool(job.finetune and job.finetune.flip),
    read=_read_labelled,
    loss=lambda net, batch, progress: clip_classifier.loss(net, batch),
    restore=_restore_classifier,
)
