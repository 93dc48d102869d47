"""What CGM-Net's inference pipelines cost, in parameters and operations, as table 8 of its paper has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from ..schemas.cgm_net import CgmNetSection, Pipeline
from .cgm_net import CgmNet, scores
from .resnet import count_parameters

PAPER = {"backbone": (33.2, 19.3), "lr": (45.73, 30.3), "hr": (48.12, 155.7), "lr+hr": (53.63, 156.01)}
"""Table 8, 3D-ResNet-18: parameters [10⁶] and GFLOPs, whose counting the paper does not state."""


@dataclass(frozen=True)
class PipelineCost:
    """parameters: all that inference touches. macs: multiply-accumulates of its convolutions and linear layers for
    one clip; the filters of the similarity map, below 0.1 % of them, are left out."""

    pipeline: Pipeline
    parameters: int
    macs: int


def pipeline_costs(config: CgmNetSection, classes: int) -> list[PipelineCost]:
    """The cost of classifying one clip by each pipeline, counted without weights or arithmetic."""
    pipelines: tuple[Pipeline, ...] = get_args(Pipeline) if config.scale > 1 else ("backbone", "hr")
    return [_cost(config.model_copy(update={"pipeline": pipeline}), classes) for pipeline in pipelines]


def _cost(config: CgmNetSection, classes: int) -> PipelineCost:
    macs: list[int] = []

    def count(module: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        macs.append(out.numel() * module.weight[0].numel())

    with torch.device("meta"):
        net = CgmNet(config, classes).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        scores(net, torch.empty(1, config.clip_frames, 3, config.crop, config.crop, device="meta"))
    return PipelineCost(config.pipeline, count_parameters(*_touched(net)), sum(macs))


def _touched(net: CgmNet) -> list[nn.Module]:
    """What `scores` runs through."""
    parts: list[nn.Module | None] = [net.encoder, net.actions]
    if net.actions:
        parts.append(net.decoder)
    if "hr" in net.actions:
        parts += [net.context, net.upsampling]
    return [part for part in parts if part is not None]
