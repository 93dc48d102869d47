from __future__ import annotations

import torch
from motionpipe.models.weighted_median import median_weights, weighted_median_3x3


def reference(values: list[float], weights: list[float]) -> float:
    """Weighted median of one pixel: interpolation between the centres of the sorted values' weight spans."""
    pairs = sorted((v, w) for v, w in zip(values, weights, strict=True) if w > 0)
    half, cumulative, centres = sum(w for _, w in pairs) / 2, 0.0, []
    for _, weight in pairs:
        centres.append(cumulative + weight / 2)
        cumulative += weight
    for i in range(len(pairs) - 1):
        if centres[i] <= half < centres[i + 1]:
            part = (half - centres[i]) / (centres[i + 1] - centres[i])
            return pairs[i][0] + part * (pairs[i + 1][0] - pairs[i][0])
    return pairs[0][0] if half < centres[0] else pairs[-1][0]


def test_equal_weights_give_the_ordinary_median() -> None:
    values = torch.randn(2, 3, 7, 9)
    median = weighted_median_3x3(values, median_weights(torch.full((2, 7, 9), 2.0), torch.zeros(2, 7, 9)))
    windows = values.unfold(2, 3, 1).unfold(3, 3, 1).flatten(-2)
    assert torch.allclose(median[..., 1:-1, 1:-1], windows.median(dim=-1).values, atol=1e-6)
    corner = values[0, 0, :2, :2].flatten().sort().values
    assert torch.allclose(median[0, 0, 0, 0], corner[1:3].mean(), atol=1e-6)


def test_weighted_median_follows_its_definition() -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(1, 1, 3, 3, generator=generator)
    for zeros in range(8):
        weights = torch.rand(9, generator=generator)
        weights[torch.randperm(9, generator=generator)[:zeros]] = 0
        median = weighted_median_3x3(values, weights.view(1, 9, 1, 1).expand(1, 9, 3, 3))[0, 0, 1, 1]
        expected = reference(values.flatten().tolist(), weights.tolist())
        assert abs(float(median) - expected) < 1e-5


def test_median_is_odd() -> None:
    depth, change = 2 + torch.rand(1, 6, 6), torch.rand(1, 6, 6)
    values, weights = torch.randn(1, 2, 6, 6), median_weights(depth, change)
    assert torch.allclose(weighted_median_3x3(-values, weights), -weighted_median_3x3(values, weights), atol=1e-5)


def test_invalid_neighbours_have_no_vote_and_lonely_pixels_stay() -> None:
    depth = torch.zeros(1, 5, 5)
    depth[0, 2, 2] = 1.5
    values = torch.randn(1, 3, 5, 5)
    median = weighted_median_3x3(values, median_weights(depth, torch.zeros(1, 5, 5)))
    assert torch.equal(median[..., 2, 2], values[..., 2, 2])
    assert torch.equal(median[..., 0, 0], values[..., 0, 0])


def test_far_and_changed_neighbours_count_less() -> None:
    depth, change = torch.full((1, 3, 3), 2.0), torch.zeros(1, 3, 3)
    depth[0, 0, 0], change[0, 2, 2] = 3.0, 0.5
    weights = median_weights(depth, change)[0, :, 1, 1]
    assert torch.allclose(weights[[0, 4, 8]], torch.tensor([1 / 6, 1.0, 1 / 3.5]))
