"""3x3 weighted median: removes outliers of a flow field between two pyramid levels.

Source: Jaimez et al., ICRA 2015, filtering of the solution after each level.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Stand-ins for infinity: a value plus 0 * BEYOND is the value itself. Masks that are added are many times faster on a
# CPU than torch.where and sort.
EXCLUDED = 1e20
BEYOND = 1e30


def median_weights(depth: Tensor, depth_change: Tensor) -> Tensor:
    """Weights of the 3x3 neighbours n: 1 / (1 + 5 (Z - Z_n)^2 + 10 Zt_n^2); 0 outside the image and where Z_n = 0.

    depth: (B, H, W) Z of frame 1 in metres, 0 invalid. depth_change: (B, H, W) Zt, warped frame 2 minus frame 1.
    Returns (B, 9, H, W), rows before columns, the pixel itself in the middle.
    """
    depths = torch.stack(_neighbours(depth), dim=1)
    changes = torch.stack(_neighbours(depth_change), dim=1)
    weights = 1 / (1 + 5 * (depths - depth[:, None]).square() + 10 * changes.square())
    return weights * (depths > 0)


def weighted_median_3x3(values: Tensor, weights: Tensor) -> Tensor:
    """(B, C, H, W), weights (B, 9, H, W) -> (B, C, H, W); a pixel whose nine weights are all 0 keeps its value.

    Each value stands at the centre of its span of cumulative weight, in order of size; the median is read at half of
    the total weight, linearly between centres. With equal weights that is the ordinary median (mean of the middle two
    if even in number), and the median of -values is minus the median of values: mirroring a scene mirrors its flow.
    """
    shares = weights[:, :, None].expand(-1, -1, values.shape[1], -1, -1).contiguous().unbind(dim=1)
    excluded = (weights == 0).to(values)[:, :, None].unbind(dim=1)
    neighbours = [torch.add(v, e, alpha=EXCLUDED) for v, e in zip(_neighbours(values), excluded, strict=True)]
    centres = _span_centres(neighbours, shares)
    half = weights.sum(dim=1, keepdim=True) / 2
    low, low_centre, high, high_centre = _around(half, centres, neighbours)
    median = torch.lerp(low, high, (half - low_centre) / (high_centre - low_centre))
    median = torch.where(high < EXCLUDED / 2, median, low)  # else there is one neighbour with a weight
    return torch.where(half > 0, median, values)


def _span_centres(values: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """For each of the nine, the weight of those that sort before it (ties by position) plus half of its own."""
    centres = [weight / 2 for weight in weights]
    precedes, follows = torch.empty_like(values[0]), torch.empty_like(values[0])
    for i in range(9):
        for j in range(i + 1, 9):
            torch.le(values[i], values[j], out=precedes)
            torch.gt(values[i], values[j], out=follows)
            centres[j].addcmul_(weights[i], precedes)
            centres[i].addcmul_(weights[j], follows)
    return centres


def _around(half: Tensor, centres: Sequence[Tensor], values: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The last value at or below `half` with its centre, and the first above it with its centre."""
    low, low_centre = torch.full_like(values[0], -BEYOND), torch.full_like(values[0], -BEYOND)
    high, high_centre = torch.full_like(values[0], BEYOND), torch.full_like(values[0], BEYOND)
    mask, candidate = torch.empty_like(low), torch.empty_like(low)
    for value, centre in zip(values, centres, strict=True):
        torch.gt(centre, half, out=mask)
        torch.maximum(low, torch.add(value, mask, alpha=-BEYOND, out=candidate), out=low)
        torch.maximum(low_centre, torch.add(centre, mask, alpha=-BEYOND, out=candidate), out=low_centre)
        torch.le(centre, half, out=mask)
        torch.minimum(high, torch.add(value, mask, alpha=BEYOND, out=candidate), out=high)
        torch.minimum(high_centre, torch.add(centre, mask, alpha=BEYOND, out=candidate), out=high_centre)
    return low, low_centre, high, high_centre


def _neighbours(field: Tensor) -> list[Tensor]:
    """(..., H, W) -> nine of it: the 3x3 neighbourhood of each pixel, rows before columns, 0 outside."""
    height, width = field.shape[-2:]
    padded = F.pad(field, (1, 1, 1, 1))
    return [padded[..., i : i + height, j : j + width] for i in range(3) for j in range(3)]
