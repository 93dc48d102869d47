"""What CGM-Net's inference pipelines cost, in parameters and operations, as table 8 of its paper has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..schemas.cgm_net import CgmNetSection, Pipeline
from .cgm_net import CgmNet, scores
from .resnet import count_parameters

PAPER = {"backbone": (33.2, 19.3), "lr": (45.73, 30.3), "hr": (48.12, 155.7), "lr+hr": (53.63, 156.01)}
"""Table 8, 3D-ResNet-18: parameters [10⁶] and GFLOPs, whose counting the paper does not state."""


@dataclass(frozen=True)
class PipelineCost:
    """parameters: all that inference touches. macs: multiply-accumulates of its convolutions and matrix products for
    one clip; the filters of the similarity map, below 0.1 % of them, are left out."""

    pipeline: Pipeline
    parameters: int
    macs: int


def pipeline_costs(config: CgmNetSection, classes: int) -> list[PipelineCost]:
    """The cost of classifying one clip by each pipeline, counted without weights or arithmetic."""
    pipelines: tuple[Pipeline, ...] = get_args(Pipeline) if config.scale > 1 else ("backbone", "hr")
    return [_cost(config.model_copy(update={"pipeline": pipeline}), classes) for pipeline in pipelines]


def _cost(config: CgmNetSection, classes: int) -> PipelineCost:
    with torch.device("meta"), torch.no_grad():
        net = CgmNet(config, classes).eval()
        with FlopCounterMode(display=False) as counter:
            scores(net, torch.empty(1, config.clip_frames, 3, config.crop, config.crop))
    # FlopCounterMode counts two operations for each multiply-accumulate
    return PipelineCost(config.pipeline, count_parameters(*_touched(net)), counter.get_total_flops() // 2)


def _touched(net: CgmNet) -> list[nn.Module]:
    """What `scores` runs through."""
    parts: list[nn.Module | None] = [net.encoder, net.actions]
    if net.actions:
        parts.append(net.decoder)
    if "hr" in net.actions:
        parts += [net.context, net.upsampling]
    return [part for part in parts if part is not None]
