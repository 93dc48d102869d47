"""CGM-Net: a clip in, a filter for every pixel of every next frame out (Tian et al., ECCV 2020).

    clip ──► encoder ─► F_v ─► decoder ─► F_motion, M_LR ─┐
      └────► context extractor ─► F_context ──────────────┴► upsampling ─► M_HR          X̃_t+1 = M_t ⊗ X_t

Map t of the first T - 1 moves frame t onto frame t + 1, which the encoder saw; map T predicts the frame after the clip.

Shapes: B clips, T frames, S side of the crop, s scale, L = S / s, K and k² taps of the HR and LR filters. Outside of
training H x W of any multiples of s may stand for S x S; how well that works is another matter (`LOG.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..schemas.errors import MotionpipeError
from .action_cnn import ActionCnn
from .context_extractor import LEFT_OUT, ContextExtractor
from .motion_decoder import MotionDecoder
from .motion_upsampling import ContextGuidedUpsampling, InterpolatedUpsampling
from .pixel_adaptive import synthesise
from .pool_clip import pool_clip
from .pretrained import load_weights
from .reconstruction import area_downsample, charbonnier
from .resnet import IMAGENET_MEAN, IMAGENET_STD, KINETICS_MEAN, KINETICS_STD, ResNet, normalise
from .slow_fast import SLOWFAST_BLOCKS, SlowFast

if TYPE_CHECKING:
    from ..schemas.cgm_net import CgmNetSection

UNLABELLED = -1


@dataclass(frozen=True)
class CgmNetBatch:
    """Clips and the frame after each.

    frames: float32 (B, T + 1, 3, S, S) in [-1, 1]. labels: int64 (B,), class of each clip, -1 where it is not known.
    follows: bool (B, T), whether frame t + 1 shows what came after frame t, which it does not where a recording that
    is shorter than the clip begins again; only such frames are to be predicted.
    """

    frames: Tensor
    labels: Tensor
    follows: Tensor

    def __post_init__(self) -> None:
        if self.frames.ndim != 5 or self.frames.shape[2] != 3 or not self.frames.is_floating_point():
            raise ValueError(f"frames must be float (B, T + 1, 3, S, S), got {self.frames.dtype} {self.frames.shape}")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.frames.shape[:1]:
            raise ValueError(f"labels must be int64 ({len(self.frames)},), got {self.labels.dtype} {self.labels.shape}")
        pairs = (self.frames.shape[0], self.frames.shape[1] - 1)
        if self.follows.dtype != torch.bool or tuple(self.follows.shape) != pairs:
            raise ValueError(f"follows must be bool {pairs}, got {self.follows.dtype} {tuple(self.follows.shape)}")

    def to(self, device: torch.device | str) -> CgmNetBatch:
        """The same batch on `device`."""
        return CgmNetBatch(self.frames.to(device), self.labels.to(device), self.follows.to(device))


class MotionMaps(NamedTuple):
    """F_v (B, C, t, h, w) of the encoder; M_LR (B, k², T, L, L); M_HR (B, K, T, S, S), which is M_LR at scale 1."""

    features: Tensor
    lr: Tensor
    hr: Tensor


class CgmNet(nn.Module):
    """All modules that the configuration trains; classifiers exist where `classes` is given.

    dropout: of the features before their linear layers.
    """

    def __init__(self, config: CgmNetSection, classes: int | None, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config, classes)
        self.decoder = MotionDecoder(stage_channels(self.encoder), config)
        self.context: ContextExtractor | None = None
        self.upsampling: ContextGuidedUpsampling | InterpolatedUpsampling | None = None
        if config.scale > 1 and config.upsampling == "cgmul":
            self.context = ContextExtractor(config.motion_channels, config.scale, config.slope)
            self.upsampling = ContextGuidedUpsampling(config)
        elif config.scale > 1 and config.upsampling != "cgmul":
            self.upsampling = InterpolatedUpsampling(config.scale, config.upsampling)
        taps = {"lr": config.taps_lr, "hr": config.taps_hr}
        names = [name for name in config.pipeline.split("+") if name in taps] if classes else []
        self.actions = nn.ModuleDict(
            {name: ActionCnn(taps[name], config.action_widths, classes or 0, dropout) for name in names}
        )
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, clip: Tensor, lr: bool = True, hr: bool = True) -> MotionMaps:
        """Motion maps of clips (B, T, 3, S, S) in [-1, 1]; HR maps take LR maps; what is not wanted is empty."""
        stages = self._stages(clip)
        none = stages[-1].new_zeros(0)
        if not lr and not hr:
            return MotionMaps(stages[-1], none, none)
        motion, maps_lr = self._decode(clip, stages)
        return MotionMaps(stages[-1], maps_lr, self.upsample(clip, motion, maps_lr) if hr else none)

    def encode(self, clip: Tensor) -> Tensor:
        """F_v of clips (B, T, 3, S, S) in [-1, 1]."""
        return self._stages(clip)[-1]

    def _stages(self, clip: Tensor) -> list[Tensor]:
        """Maps of the encoder's stages, F_v last; of SlowFast, F_v alone."""
        # oneDNN's bfloat16 kernel of a 7x7x7 convolution over 4 frames corrupts memory (torch 2.13): not on a CPU
        with torch.autocast("cpu", enabled=False):
            seen = normalise(clip.transpose(1, 2), KINETICS_MEAN, KINETICS_STD)
            return self.encoder.stages(seen) if isinstance(self.encoder, ResNet) else [self.encoder(seen)]

    def _decode(self, clip: Tensor, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        """F_motion (B, C, T, L, L) and M_LR of a clip and its features. ValueError unless scale divides the sides."""
        frames, _, height, width = clip.shape[1:]
        if height % self.config.scale or width % self.config.scale:
            raise ValueError(f"{height}x{width} frames: sides must be multiples of scale = {self.config.scale}")
        motion, lr = self.decoder(stages, (frames, height, width))
        return motion, lr

    def classify(self, maps: MotionMaps) -> list[Tensor]:
        """Scores (B, classes) of the backbone and of each kind of maps that the pipeline classifies."""
        kinds = {"lr": maps.lr, "hr": maps.hr}
        features = self.dropout(maps.features)  # whole channels, so that their means are dropped
        return [self.encoder.classify(features), *(net(kinds[name]) for name, net in self.actions.items())]

    def maps_to_classify(self, clip: Tensor) -> MotionMaps:
        """What the pipeline classifies: `backbone` the encoder's features, `lr` LR maps as well, `hr` everything."""
        maps: MotionMaps = self(clip, lr="lr" in self.actions, hr="hr" in self.actions)
        return maps

    def predict(self, clip: Tensor, maps: Tensor, dilation: int = 1) -> Tensor:
        """Each frame's successor by its map, equation 1: clip (B, T, 3, S, S) and maps (B, k², T, S, S)."""
        filters = maps.transpose(1, 2).flatten(0, 1)
        return synthesise(clip.flatten(0, 1), filters, self.config.padding, dilation).view_as(clip)

    def upsample(self, clip: Tensor, motion: Tensor, lr: Tensor) -> Tensor:
        """M_HR of a clip, its F_motion (B, C, T, L, L) and M_LR; every frame by itself."""
        if self.upsampling is None:
            return lr
        filters = lr.transpose(1, 2).flatten(0, 1)
        if isinstance(self.upsampling, ContextGuidedUpsampling):
            assert self.context is not None
            context = self.context(normalise(clip.flatten(0, 1), IMAGENET_MEAN, IMAGENET_STD))
            hr = self.upsampling(context, motion.transpose(1, 2).flatten(0, 1), filters)
        else:
            hr = self.upsampling(filters)
        return torch.unflatten(hr, 0, clip.shape[:2]).transpose(1, 2)


def build(config: CgmNetSection, classes: int | None = None, dropout: float = 0.0) -> CgmNet:
    """A new network that predicts every frame as the one before it; its weights follow from torch's generator.

    classes: how many the labels have; needed where lambda_class > 0. ValueError where there is only one of the two.
    """
    if bool(classes) != (config.lambda_class > 0):
        raise ValueError(f"lambda_class {config.lambda_class} and {classes} classes: both or neither")
    return CgmNet(config, classes, dropout)


def load_public(net: CgmNet, weights: Mapping[str, Tensor]) -> None:
    """Begin from the weights of a 3D network of the encoder's kind, or of a ResNet-18 of images for the context.

    By the names of 3D-ResNets-PyTorch and torchvision, of any number of classes. MotionpipeError where they do not fit.
    """
    first = next((value for name, value in weights.items() if name.removeprefix("module.") == "conv1.weight"), None)
    if first is None or first.ndim == 5:
        load_weights(net.encoder, weights, leave_out=("fc.",))
    elif net.context is None:
        raise MotionpipeError("weights of an image network are for the context extractor, which this recipe lacks")
    else:
        load_weights(net.context, weights, leave_out=LEFT_OUT)


def stage_channels(encoder: ResNet | SlowFast) -> tuple[int, ...]:
    """Channels of what the decoder may see, F_v's last."""
    return encoder.stage_channels if isinstance(encoder, ResNet) else (encoder.channels,)


def build_encoder(config: CgmNetSection, classes: int | None = None) -> ResNet | SlowFast:
    """A new backbone alone, with a linear layer for `classes`."""
    match config.backbone:
        case "slowfast-small" | "slowfast50" | "slowfast101" as name:
            return SlowFast(SLOWFAST_BLOCKS[name], classes, config.backbone_width)
        case name:
            return ResNet(3, name, classes, width=config.backbone_width)


def loss(net: CgmNet, batch: CgmNetBatch) -> dict[str, Tensor]:
    """Scalars of one batch, equation 7; only `loss` carries gradients.

    loss = λ_hr · hr + λ1 · lr + λ2 · class, where the paper's λ_hr is 1. hr, lr: Charbonnier error of the predicted
    frames, [-1, 1]. copy, lr_copy: that of copying each last frame, what they start from; next: hr of the frame after
    the clip alone. Those of a resolution without weight are absent. class [nats] and accuracy (of the averaged
    scores): over the labelled clips, 0 where there is none; absent where nothing classifies.
    """
    config, clip = net.config, batch.frames[:, :-1]
    wanted = {"lr": config.lambda_lr > 0 and config.scale > 1, "hr": config.lambda_hr > 0}
    maps: MotionMaps = net(clip, **{name: asked or name in net.actions for name, asked in wanted.items()})
    scalars = _lr_errors(net, batch, maps.lr) if wanted["lr"] else {}
    scalars |= _hr_errors(net, batch, maps.hr) if wanted["hr"] else {}
    if config.lambda_class > 0:
        scores = net.classify(maps)
        scalars["class"] = torch.stack([_cross_entropy(one, batch.labels) for one in scores]).mean()
        scalars["accuracy"] = _accuracy(fuse(scores), batch.labels)
    weights = {"hr": config.lambda_hr, "lr": config.lambda_lr, "class": config.lambda_class}
    total = torch.stack([weight * scalars[name] for name, weight in weights.items() if name in scalars]).sum()
    return {"loss": total, **{name: value.detach() for name, value in scalars.items()}}


def features(net: CgmNet, clip: Tensor, pool_grid: int = 1) -> Tensor:
    """Embeddings (B, D) of clips (B, T, 3, S, S) in [-1, 1]: F_v, averaged over time and place, or to a coarse grid.

    D = 8 or 32 times backbone_width; for SlowFast 36 times. With a grid: the channels of F_v times pool_grid²;
    ValueError where it is finer than F_v. Evaluation mode and gradients are the caller's choice.
    """
    encoded = net.encode(clip)
    return net.encoder.pool(encoded) if pool_grid == 1 else pool_clip(encoded.transpose(1, 2), pool_grid)


def scores(net: CgmNet, clip: Tensor) -> Tensor:
    """Probabilities (B, classes) of clips (B, T, 3, S, S), averaged over what the pipeline classifies (table 8)."""
    return fuse(net.classify(net.maps_to_classify(clip)))


class CgmNetScorer(nn.Module):
    """A trained network as a classifier of clips."""

    def __init__(self, net: CgmNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, clip: Tensor) -> Tensor:
        """Logits (B, classes) of clips (B, T, 3, S, S): logarithms of the averaged probabilities."""
        return scores(self.net, clip).clamp(min=1e-30).log()


def fuse(scores: list[Tensor]) -> Tensor:
    """The mean of the classifiers' probabilities: (B, classes)."""
    return torch.stack([torch.softmax(one.float(), dim=1) for one in scores]).mean(dim=0)


def _hr_errors(net: CgmNet, batch: CgmNetBatch, maps: Tensor) -> dict[str, Tensor]:
    """hr with gradients, copy and next without."""
    clip, future, follows = batch.frames[:, :-1], batch.frames[:, 1:], batch.follows
    predicted = net.predict(clip, maps, net.config.dilation_hr)
    errors = {"hr": charbonnier(predicted, future, follows)}
    with torch.no_grad():
        errors["copy"] = charbonnier(clip, future, follows)
        errors["next"] = charbonnier(predicted[:, -1:], future[:, -1:], follows[:, -1:])
    return errors


def _lr_errors(net: CgmNet, batch: CgmNetBatch, maps: Tensor) -> dict[str, Tensor]:
    """lr with gradients, lr_copy without."""
    small = area_downsample(batch.frames, net.config.scale)
    clip, future = small[:, :-1], small[:, 1:]
    errors = {"lr": charbonnier(net.predict(clip, maps), future, batch.follows)}
    with torch.no_grad():
        errors["lr_copy"] = charbonnier(clip, future, batch.follows)
    return errors


def _cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    total = F.cross_entropy(scores.float(), labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp(min=1)


def _accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    known = labels != UNLABELLED
    return ((scores.argmax(dim=1) == labels) & known).sum() / known.sum().clamp(min=1)
