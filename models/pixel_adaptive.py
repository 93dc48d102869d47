"""Pixel-adaptive convolution: a filter for every pixel makes the next frame of the last (Tian et al. 2020, eq. 1).

Shapes: N frames, C channels, H x W pixels, k side of the filters, ρ = (k - 1) / 2.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Padding = Literal["replicate", "zero"]

_CPU_BLOCK_BYTES = 1 << 20


def synthesise(frames: Tensor, maps: Tensor, padding: Padding = "replicate", dilation: int = 1) -> Tensor:
    """X̃(x, y) = Σ_m Σ_n M(m + ρ, n + ρ, x, y) · X(x - d·m, y - d·n), the same for all channels: (N, C, H, W).

    frames (N, C, H, W). maps (N, k², H, W), channel (m + ρ)·k + (n + ρ): its weight says that content has moved by m·d
    pixels to the right and n·d down; d = `dilation`. Beyond the frame stand its border pixels, or zeros. Gradients
    flow to both arguments and keep nothing but these two (an unfolded clip would be k² times as large); there are no
    second derivatives. Computed in the wider of the two dtypes. ValueError where shapes disagree or k is even.
    """
    kernel = side_of(maps)
    if frames.ndim != 4 or maps.shape != (len(frames), kernel**2, *frames.shape[2:]):
        raise ValueError(f"maps {tuple(maps.shape)} are no filters for frames {tuple(frames.shape)}")
    dtype = torch.promote_types(frames.dtype, maps.dtype)
    reach = dilation * (kernel // 2)
    mode = "replicate" if padding == "replicate" else "constant"
    padded = F.pad(frames.to(dtype), (reach, reach, reach, reach), mode) if reach else frames.to(dtype)
    out: Tensor = _PixelAdaptive.apply(padded, maps.to(dtype), dilation)  # type: ignore[no-untyped-call]
    return out


def identity_filter(kernel: int) -> Tensor:
    """The filter (k²,) that leaves frames as they are: 1 in the middle."""
    taps = torch.zeros(kernel**2)
    taps[kernel**2 // 2] = 1
    return taps


def side_of(maps: Tensor) -> int:
    """k of maps (N, k², …); ValueError unless it is odd."""
    kernel = math.isqrt(maps.shape[1])
    if kernel**2 != maps.shape[1] or kernel % 2 == 0:
        raise ValueError(f"{maps.shape[1]} channels are no square filter of odd side")
    return kernel


class _PixelAdaptive(torch.autograd.Function):
    """Sums over the taps, one shifted product after the other, on frames that are padded by d·ρ on every side.

    On a CPU a few frames at a time, so that frames, sums and gradients stay in the cache for all k² taps.
    """

    @staticmethod
    def forward(ctx: Any, padded: Tensor, maps: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(padded, maps)
        ctx.dilation = dilation
        out = padded.new_zeros((len(maps), padded.shape[1], *maps.shape[2:]))
        for part in _parts(out):
            for tap, (rows, cols) in enumerate(_windows(maps, dilation)):
                out[part].addcmul_(padded[part, :, rows, cols], maps[part, tap : tap + 1])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        padded, maps = ctx.saved_tensors
        wants_frames, wants_maps, _ = ctx.needs_input_grad
        grad_padded = torch.zeros_like(padded) if wants_frames else None
        grad_maps = torch.empty_like(maps) if wants_maps else None
        for part in _parts(grad):
            product = torch.empty_like(grad[part])
            for tap, (rows, cols) in enumerate(_windows(maps, ctx.dilation)):
                if grad_padded is not None:
                    grad_padded[part, :, rows, cols].addcmul_(grad[part], maps[part, tap : tap + 1])
                if grad_maps is not None:
                    torch.mul(grad[part], padded[part, :, rows, cols], out=product)
                    torch.sum(product, dim=1, out=grad_maps[part, tap])
        return grad_padded, grad_maps, None


def _windows(maps: Tensor, dilation: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the padded frame that each tap (m, n) sees: the frame's, moved by (-m, -n)."""
    kernel, (height, width) = side_of(maps), maps.shape[2:]
    starts = [(kernel - 1 - index) * dilation for index in range(kernel)]
    return [(slice(y, y + height), slice(x, x + width)) for x in starts for y in starts]


def _parts(frames: Tensor) -> list[slice]:
    """Frames that are worked on at once: all on an accelerator, about a megabyte of them on a CPU."""
    number = len(frames)
    if frames.device.type == "cpu" and number:
        number = max(1, _CPU_BLOCK_BYTES // max(frames[0].nbytes, 1))
    return [slice(start, start + number) for start in range(0, len(frames), max(number, 1))]
