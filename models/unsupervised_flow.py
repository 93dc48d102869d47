"""What flow without truth is judged by: the second frame, drawn back along it, should look like the first.

    L = Σ_levels λ1 ℓ1(I1, Î2) + λ2 census(I1, Î2) + λ3 smoothness(U, I1)        each a mean over the level's pixels

Source: UF-TSN, ICASSP 2021, after UnFlow (Meister, Hur, Roth, AAAI 2018). Norms over colours are their mean, so that
grey and coloured images weigh the same. Shapes: N pairs, H x W pixels of a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .backward_warp import backward_warp, enlarge_flow, stays_inside
from .flow_consistency import consistent
from .soft_census import census_error
from .uf_flow import UfFlow

if TYPE_CHECKING:
    from ..schemas.uf_tsn import UfTsnSection

CONSISTENT_ALPHA, CONSISTENT_SLACK_PX = 0.01, 0.7
"""UnFlow's bound of the forward-backward check; its beta of 0.5 px² is the slack squared."""


def unsupervised_loss(net: UfFlow, first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Scalars of pairs (N, 3, H, W) in [0, 1]: `loss`, which carries gradients, and the sums of its terms over levels.

    diff, census, smooth: unweighted, 0 where a photometric one has no weight. visible: part of the finest level's
    pixels that are compared. motion: mean length of the finest flow [px of the frame].
    """
    one, two = net.encode(first), net.encode(second)
    there = net.between(one, two)
    if net.config.occlusion != "forward-backward":
        return pyramid_loss(net.config, there, first, second)
    back = net.between(two, one)
    ways = (
        pyramid_loss(net.config, there, first, second, back),
        pyramid_loss(net.config, back, second, first, there),
    )
    return {name: (ways[0][name] + ways[1][name]) / 2 for name in ways[0]}


def chain_loss(config: UfTsnSection, flows: Sequence[Tensor], frames: Tensor) -> dict[str, Tensor]:
    """The same scalars of flow that is there already, from each frame of (N, T, 3, H, W) to the next; one way."""
    return pyramid_loss(config, flows, frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1))


def pyramid_loss(
    config: UfTsnSection, flows: Sequence[Tensor], first: Tensor, second: Tensor, back: Sequence[Tensor] | None = None
) -> dict[str, Tensor]:
    """The loss of the flows of all levels, the finest first; `back`: those of the other way, for occlusion."""
    terms = {name: first.new_zeros(()) for name in ("diff", "census", "smooth")}
    visible = first.new_ones(())
    weights = {"diff": config.lambda_diff, "census": config.lambda_census, "smooth": config.lambda_smooth}
    for level, flow in enumerate(flows):
        here = _at_loss_size(config, flow)
        one, two = (_reduce(frames, here.shape[2:]) for frames in (first, second))
        warped = backward_warp(two, here)
        counted = _counted(config, here, None if back is None else _at_loss_size(config, back[level]))
        if counted is not None and level == 0:
            visible = counted.mean()
        if config.lambda_diff:
            terms["diff"] = terms["diff"] + photometric_error(one, warped, counted)
        if config.lambda_census:
            terms["census"] = terms["census"] + census_error(one, warped, config.census_radius(level), counted)
        terms["smooth"] = terms["smooth"] + smoothness(here, one, config.edge_alpha)
    total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    detached = {name: term.detach() for name, term in terms.items()}
    motion = config.finest * flows[0].detach().norm(dim=1).mean()
    return {"loss": total, **detached, "visible": visible, "motion": motion}


def photometric_error(first: Tensor, warped: Tensor, counted: Tensor | None = None) -> Tensor:
    """Mean absolute difference of images (N, C, H, W), a scalar; over the pixels (N, 1, H, W) that are counted."""
    difference = (first - warped).abs().mean(dim=1, keepdim=True)
    if counted is None:
        return difference.mean()
    return (difference * counted).sum() / counted.sum().clamp(min=1)


def smoothness(flow: Tensor, images: Tensor, alpha: float) -> Tensor:
    """Σ_d mean |∇_d U|₁ exp(-α |∇_d I|₁) over neighbours along each axis, a scalar.

    flow (N, 2, H, W); images (N, C, H, W). A ramp of slope s along one axis on a plain image gives |s|.
    """
    total = flow.new_zeros(())
    for axis in (2, 3):
        steps = flow.diff(dim=axis).abs().sum(dim=1)
        if steps.numel():
            edges = images.diff(dim=axis).abs().mean(dim=1)
            total = total + (steps * torch.exp(-alpha * edges)).mean()
    return total


def _at_loss_size(config: UfTsnSection, flow: Tensor) -> Tensor:
    return enlarge_flow(flow, config.finest) if config.loss_size == "full" else flow


def _reduce(frames: Tensor, size: Sequence[int]) -> Tensor:
    """Frames at a level's size: means over its pixels."""
    factor = frames.shape[2] // size[0]
    return frames if factor == 1 else F.avg_pool2d(frames, factor)


def _counted(config: UfTsnSection, there: Tensor, back: Tensor | None) -> Tensor | None:
    """Pixels (N, 1, H, W), 0 or 1, that are compared; None: all. Without the way back, those that stay in the frame."""
    if config.occlusion == "none":
        return None
    if back is None:
        return stays_inside(there.detach())[:, None].to(there.dtype)
    return _seen_twice(there, back)


def _seen_twice(there: Tensor, back: Tensor) -> Tensor:
    """1 where flow there and back cancel and the pixel stays in the frame, else 0: (N, 1, H, W)."""
    there, back = there.detach(), back.detach()
    agreed = consistent(there, back, there, CONSISTENT_ALPHA, CONSISTENT_SLACK_PX)
    return agreed[:, None].to(there.dtype)
