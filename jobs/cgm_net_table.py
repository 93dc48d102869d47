"""What the pipelines of a CGM-Net cost, beside table 8 of its paper, as lines of text."""

from __future__ import annotations

import click

from ..models.cgm_net_costs import PAPER, pipeline_costs
from ..schemas.cgm_net import CgmNetSection


def echo_costs(config: CgmNetSection, classes: int) -> None:
    """Show the cost of classifying a clip by each pipeline; the run's own is marked."""
    click.echo("\n".join(cost_lines(config, classes)))


def cost_lines(config: CgmNetSection, classes: int) -> list[str]:
    """A line for each pipeline; the paper's figures are those of 3D-ResNet-18, 16 frames of 112x112, 101 classes."""
    lines = ["  pipeline    10^6 parameters   GMAC a clip   (the paper's 3D-ResNet-18: 10^6 parameters, GFLOPs)"]
    for cost in pipeline_costs(config, classes):
        millions, gflops = PAPER[cost.pipeline]
        name = f"{cost.pipeline}{' *' if cost.pipeline == config.pipeline else ''}"
        lines.append(
            f"  {name:<11}{cost.parameters / 1e6:>16.3f}{cost.macs / 1e9:>14.3f}   ({millions:.2f}, {gflops:.1f})"
        )
    return lines
