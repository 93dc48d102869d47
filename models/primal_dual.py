"""One linearised level of RGB-D scene flow: preconditioned primal-dual iterations.

Solves, for the total flow a = (u, v, w) of a level (u, v in pixels, w the change of depth in metres),

    min_a  sum |rho_I(u, v)| + mu |rho_Z(u, v, w)| + lambda_I (|grad_r u| + |grad_r v|) + lambda_D |grad_r w|

where rho_I and rho_Z are linear in a and grad_r is the gradient on the surface. The depth term and the total variation
have dual variables, the intensity term a closed proximal step.
Source: Jaimez et al., ICRA 2015, section on the primal-dual solver; Pock and Chambolle, ICCV 2011 (preconditioning).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .surface_gradients import divergence, forward_difference

EPSILON = 1e-10


@dataclass(frozen=True)
class DataTerms:
    """Residuals as linear functions of the total flow, rho = offset + slope . a.

    intensity_slope (B, 2, H, W) and intensity_offset (B, H, W): grey levels (a pixel). depth_slope (B, 3, H, W) and
    depth_offset (B, H, W): metres (a pixel, a pixel, a metre). mu (B, H, W): weight of the depth term.
    """

    intensity_slope: Tensor
    intensity_offset: Tensor
    depth_slope: Tensor
    depth_offset: Tensor
    mu: Tensor


@dataclass(frozen=True)
class Duals:
    """Dual variables: smoothness (B, 2, 3, H, W), x and y part for each of u, v, w; depth (B, H, W)."""

    smoothness: Tensor
    depth: Tensor


def solve_level(
    flow: Tensor, duals: Duals, terms: DataTerms, smoothness: Tensor, iterations: int
) -> tuple[Tensor, Duals]:
    """`iterations` primal-dual steps from `flow` (B, 3, H, W) and `duals`; neither is changed.

    smoothness (B, 2, 3, H, W): lambda * r, the weight of each difference; 0 in the last column (x) and row (y).
    The step sizes of the smoothness duals cancel their weights (sigma * lambda * r = 1/2).
    """
    p, p_depth = duals.smoothness.clone(), duals.depth.clone()
    tau = _primal_steps(terms, smoothness)
    sigma_depth = 1 / (terms.depth_slope.abs().sum(dim=1) + EPSILON)
    depth_ascent, depth_ascent_offset = sigma_depth[:, None] * terms.depth_slope, sigma_depth * terms.depth_offset
    depth_descent = tau * terms.mu[:, None] * terms.depth_slope
    intensity_descent = tau[:, :2] * terms.intensity_slope
    threshold = (intensity_descent * terms.intensity_slope).sum(dim=1) + EPSILON
    intensity_slope, intensity_offset = terms.intensity_slope / threshold[:, None], terms.intensity_offset / threshold

    old, new, ahead = flow.clone(), flow.clone(), flow.clone()
    differences, scratch, div = torch.zeros_like(p), torch.empty_like(p), torch.empty_like(flow)
    residual, length = torch.empty_like(p_depth), torch.empty_like(flow)
    for _ in range(iterations):
        # dual ascent: total variation, then the depth term
        p.add_(forward_difference(ahead, out=differences), alpha=0.5)
        _project_to_unit_discs(p, length)
        p_depth.add_(_linear(depth_ascent, ahead, depth_ascent_offset, out=residual)).clamp_(-1, 1)
        # primal descent along both, then the proximal step of the intensity term
        divergence(p, smoothness, out=div, scratch=scratch)
        torch.addcmul(old, tau, div, out=new).addcmul_(depth_descent, p_depth[:, None], value=-1)
        _linear(intensity_slope, new, intensity_offset, out=residual).clamp_(-1, 1)
        new[:, :2].addcmul_(intensity_descent, residual[:, None], value=-1)
        # extrapolation: 2 new - old
        torch.lerp(old, new, 2.0, out=ahead)
        old, new = new, old
    return old, Duals(p, p_depth)


def energy(flow: Tensor, terms: DataTerms, smoothness: Tensor) -> Tensor:
    """The minimised energy of each item: flow (B, 3, H, W) -> (B,)."""
    rho_intensity = _linear(terms.intensity_slope, flow, terms.intensity_offset)
    rho_depth = _linear(terms.depth_slope, flow, terms.depth_offset)
    variation = (smoothness * forward_difference(flow)).square().sum(dim=1).sqrt().sum(dim=1)
    return (rho_intensity.abs() + terms.mu * rho_depth.abs() + variation).sum(dim=(1, 2))


def _primal_steps(terms: DataTerms, smoothness: Tensor) -> Tensor:
    """tau (B, 3, H, W): inverse row sums of |operator|: mu |slope| + lambda * (r of the up to four differences)."""
    around = smoothness.sum(dim=1)
    around[..., :, 1:] += smoothness[:, 0, ..., :, :-1]
    around[..., 1:, :] += smoothness[:, 1, ..., :-1, :]
    return 1 / (terms.mu[:, None] * terms.depth_slope.abs() + around + EPSILON)


def _linear(slope: Tensor, flow: Tensor, offset: Tensor, out: Tensor | None = None) -> Tensor:
    """offset + slope . flow over as many channels as `slope` has: (B, H, W)."""
    out = torch.addcmul(offset, slope[:, 0], flow[:, 0], out=out)
    for channel in range(1, slope.shape[1]):
        out.addcmul_(slope[:, channel], flow[:, channel])
    return out


def _project_to_unit_discs(p: Tensor, length: Tensor) -> None:
    """Shorten each (x, y) pair of p (B, 2, 3, H, W) to length 1 at most; `length` (B, 3, H, W) is scratch."""
    torch.mul(p[:, 0], p[:, 0], out=length).addcmul_(p[:, 1], p[:, 1])
    p.mul_(length.clamp_(min=1).rsqrt_()[:, None])
