import math

import numpy as np
import pytest
import torch
from motionpipe.models.learnable_codebook import fitness, soft_assignment, temperature, usage_weight
from motionpipe.pipeline.fit_codebook import uniform_centres
from motionpipe.schemas.atomic_flow import AtomicFlowSection
from motionpipe.schemas.codebook import SoftStart

START = SoftStart(0.5, 0.2, 0.8)


def mixture(count=1000):
    """Still cells, and eight directions that lie on no axis: nine clusters of equal weight."""
    rng = np.random.default_rng(0)
    angles = np.arange(8) * math.pi / 4 + 0.3
    means = np.concatenate([np.zeros((1, 2)), 1.4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)])
    return torch.from_numpy((means[rng.integers(0, 9, count)] + rng.normal(0, 0.1, (count, 2))).astype(np.float32))


def learn(detach, steps=200):
    """Centres from a 3x3 grid, and a predictor that knows nothing but how often codewords occur.

    Returns mean squared distances to the nearest centre before and after, and the perplexity of the hard codes.
    """
    cells, start = mixture(), torch.from_numpy(uniform_centres(np.float32([1.5, 1.5]), 3))
    weights, config = torch.ones(len(cells)), AtomicFlowSection()
    spread = float(torch.cdist(cells, start).amin(dim=1).square().median())
    begin = fitness(cells, weights, start, soft_assignment(cells, start, spread))
    soft_start = SoftStart(spread, float(begin.reconstruction), float(begin.usage))
    offsets, logits = torch.zeros(8, 2, requires_grad=True), torch.zeros(9, requires_grad=True)
    optimiser = torch.optim.Adam([offsets, logits], 0.03)
    for step in range(steps):
        centres = start + torch.nn.functional.pad(offsets, (0, 0, 1, 0))
        assignment = soft_assignment(cells, centres, temperature(config, soft_start, step / steps))
        targets = assignment.detach() if detach else assignment
        fit = fitness(cells, weights, centres, assignment)
        cross_entropy = -(targets * logits.log_softmax(0)).sum(dim=1).mean()
        optimiser.zero_grad()
        (cross_entropy + fit.reconstruction + usage_weight(config, soft_start) * fit.usage).backward()
        optimiser.step()
    shares = torch.bincount(torch.cdist(cells, centres).argmin(dim=1), minlength=9) / len(cells)
    perplexity = float(torch.special.entr(shares).sum().exp())
    after = float(torch.cdist(cells, centres).amin(dim=1).square().mean().detach())
    return float(torch.cdist(cells, start).amin(dim=1).square().mean()), after, perplexity


def test_centres_move_to_the_cells_and_all_stay_in_use():
    before, after, perplexity = learn(detach=True)
    assert after < 0.75 * before
    assert perplexity > 8.5


def test_gradients_of_the_cross_entropy_in_the_targets_would_empty_codewords():
    _, _, perplexity = learn(detach=False)
    assert perplexity < 6.5


def test_assignment_is_the_softmax_of_squared_distances():
    cells, centres = torch.randn(2, 5, 3), torch.randn(7, 3)
    squared = torch.cdist(cells.flatten(0, 1), centres).square().view(2, 5, 7)
    torch.testing.assert_close(soft_assignment(cells, centres, 0.3), (-squared / 0.3).softmax(-1))


def test_fitness_by_hand():
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    cells = torch.tensor([[0.0, 0.0], [2.0, 1.0], [5.0, 5.0]])
    assignment = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    fit = fitness(cells, torch.tensor([1.0, 1.0, 0.0]), centres, assignment)
    assert fit.reconstruction.item() == pytest.approx((0 + 2) / 2)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert fit.usage.item() == pytest.approx(math.log(2) - entropy)
    assert fit.perplexity(2).item() == pytest.approx(math.exp(entropy))


def test_no_valid_cell_costs_nothing():
    centres = torch.randn(4, 2, requires_grad=True)
    cells = torch.randn(3, 2)
    fit = fitness(cells, torch.zeros(3), centres, soft_assignment(cells, centres, 1.0))
    (fit.reconstruction + fit.usage).backward()
    assert fit.reconstruction.item() == 0
    assert torch.isfinite(centres.grad).all()


def test_the_temperature_falls_geometrically():
    config = AtomicFlowSection(temperature=(1.0, 0.01))
    assert [temperature(config, START, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.5, 0.05, 0.005])


def test_the_usage_term_begins_at_its_share_of_the_reconstruction():
    config = AtomicFlowSection(codebook_alpha=2.0, codebook_usage=0.1)
    assert usage_weight(config, START) * START.usage == pytest.approx(0.1 * 2.0 * START.reconstruction)
