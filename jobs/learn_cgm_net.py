"""CGM-Net as a learner: frames synthesised from those before them, with or without labels, and classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..models import cgm_net
from ..models.weight_groups import weight_groups
from ..pipeline.batches_clip_classifier import spaced_clips
from ..pipeline.clip_plan import ClipRef, Starts, TrainSample, clip_starts
from ..pipeline.store import Store
from ..pipeline.weight_files import read_weights
from ..schemas.errors import MotionpipeError
from ..schemas.slow_fast import ALPHA
from .classifier_rates import is_frozen, rate_factors
from .learner import Learner
from .run_files import load_checkpoint
from .train_job import TrainJob

if TYPE_CHECKING:
    from ..pipeline.batches_cgm_net import RgbSource

CLASSIFIERS = ("encoder.fc.", "actions.")
"""Names of parameters that belong to classes; every other parameter may be pre-trained."""


def _build_pretrained(job: TrainJob) -> nn.Module:
    return _with_public(cgm_net.build(job.network, len(job.labels) or None), job)


def _build_classifier(job: TrainJob) -> nn.Module:
    assert job.finetune is not None
    net = cgm_net.build(job.network, len(job.labels), job.finetune.dropout)
    if job.init:
        load_pretrained(net, load_checkpoint(*job.init)["model"])
    return _with_public(net, job)


def _with_public(net: cgm_net.CgmNet, job: TrainJob) -> cgm_net.CgmNet:
    if job.weights:
        cgm_net.load_public(net, read_weights(Path(job.weights)))
    return net


def load_pretrained(net: cgm_net.CgmNet, model: dict[str, Tensor]) -> None:
    """What a checkpoint has of all that does not belong to classes; of what is learned, everything must be there.

    Motion modules of another shape stay as they are where nothing is synthesised and the backbone alone classifies.
    """
    own = {name: value for name, value in net.state_dict().items() if not name.startswith(CLASSIFIERS)}
    fits = {name: model[name] for name in own if name in model and model[name].shape == own[name].shape}
    needed = own if needs_motion(net.config) else [name for name in own if name.startswith("encoder.")]
    missing = [name for name in needed if name not in fits]
    if missing:
        found = tuple(model[missing[0]].shape) if missing[0] in model else "nothing"
        raise MotionpipeError(
            f"the checkpoint has {found} for {missing[0]} where this recipe's network has "
            f"{tuple(own[missing[0]].shape)}: another network"
        )
    net.load_state_dict(fits, strict=False)


def needs_motion(config: Any) -> bool:
    """Whether a network makes motion maps in training or to classify."""
    return bool(config.synthesises or config.pipeline != "backbone")


def _begin_pretraining(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    net.train()
    return {}


def _begin_classifier(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    """Frozen parts learn nothing and their batch norm keeps its statistics."""
    frozen = is_frozen(job, epoch)
    net.train()
    for name, module in net.named_children():
        if frozen and name not in ("actions", "dropout"):
            module.eval()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith(CLASSIFIERS) or not frozen)
    return rate_factors(job, epoch)


def _pretraining_groups(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    groups = weight_groups(net, job.loop.weight_decay)
    return [group | {"part": "network", "full_rate": job.train.learning_rate} for group in groups]


def _classifier_groups(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    assert job.finetune is not None
    rates = {"head": job.finetune.head_rate, "encoder": job.finetune.encoder_rate}
    heads = {id(parameter) for name, parameter in net.named_parameters() if name.startswith(CLASSIFIERS)}
    return [
        group
        | {"params": [p for p in group["params"] if (id(p) in heads) == (part == "head")]}
        | {"part": part, "full_rate": rate}
        for part, rate in rates.items()
        for group in weight_groups(net, job.loop.weight_decay)
    ]


def _starts(job: TrainJob) -> Starts:
    return partial(clip_starts, frames=job.network.clip_frames + 1)


def _read(job: TrainJob, clips: RgbSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef]) -> Any:
    # here and below, since a machine that trains from a pack has neither OpenCV nor a store
    from ..pipeline.batches_cgm_net import build_batch

    return build_batch(clips, samples, refs, job.network, job.labels)


def _restore(network: Any, model: dict[str, Tensor]) -> cgm_net.CgmNet:
    """By what the weights say of classes."""
    net = cgm_net.build(network, len(model["encoder.fc.weight"]) if "encoder.fc.weight" in model else None)
    net.load_state_dict(model)
    return net.eval()


def _cut(network: Any, sample: TrainSample, num_clips: int, frames: int) -> list[list[int]]:
    if network.backbone.startswith("slowfast") and frames % ALPHA:
        raise MotionpipeError(
            f"{network.backbone} sees clips of a multiple of {ALPHA} frames: not clip_frames={frames}"
        )
    return spaced_clips(sample.num_frames, sample.stride, num_clips, frames)


def _show(network: Any, clips: RgbSource, sample: TrainSample, numbers: Sequence[Sequence[int]]) -> Any:
    from ..pipeline.batches_cgm_net import centre_clips

    return centre_clips(clips, sample, numbers, network)


def _open(store: Store, flow_folder: str | None, cell: int, network: Any) -> RgbSource:
    from ..pipeline.stored_frames import StoredFrames

    return StoredFrames(store)


def _features(net: nn.Module, clip: Tensor, pool_grid: int) -> Tensor:
    return cgm_net.features(synthesiser_of(net), clip, pool_grid)


def synthesiser_of(net: nn.Module) -> cgm_net.CgmNet:
    """The network that makes motion maps, of a restored run of either task."""
    network = net.net if isinstance(net, cgm_net.CgmNetScorer) else net
    assert isinstance(network, cgm_net.CgmNet)
    return network


PRETRAIN = Learner(
    open=_open,
    modality=lambda network: "rgb",
    build=_build_pretrained,
    groups=_pretraining_groups,
    begin=_begin_pretraining,
    starts=_starts,
    flip=lambda job: bool(job.network.flip),
    read=_read,
    loss=lambda net, batch, progress: cgm_net.loss(net, batch),
    restore=_restore,
    cut=_cut,
    show=_show,
    features=_features,
)

CLASSIFY = replace(
    PRETRAIN,
    build=_build_classifier,
    groups=_classifier_groups,
    begin=_begin_classifier,
    restore=lambda network, model: cgm_net.CgmNetScorer(_restore(network, model)).eval(),
)
