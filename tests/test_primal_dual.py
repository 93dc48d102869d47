from __future__ import annotations

import torch
from motionpipe.models.primal_dual import DataTerms, Duals, energy, solve_level
from motionpipe.models.surface_gradients import surface_weights
from motionpipe.schemas.camera import Camera

BATCH, HEIGHT, WIDTH = 2, 18, 24


def problem(seed: int = 0) -> tuple[DataTerms, torch.Tensor]:
    """Random residuals, and the weights of a tilted surface with a jump."""
    generator = torch.Generator().manual_seed(seed)
    depth = 1.5 + 0.01 * torch.arange(float(WIDTH)).repeat(BATCH, HEIGHT, 1)
    depth[:, :, 12:] += 0.5
    lambdas = torch.tensor([0.04, 0.04, 0.35])[:, None, None]
    smoothness = surface_weights(depth, Camera(20.0, 20.0, 11.5, 8.5, WIDTH, HEIGHT))[:, :, None] * lambdas
    shape = (BATCH, HEIGHT, WIDTH)
    terms = DataTerms(
        intensity_slope=8 * torch.randn(BATCH, 2, HEIGHT, WIDTH, generator=generator),
        intensity_offset=4 * torch.randn(shape, generator=generator),
        depth_slope=torch.cat(
            [0.02 * torch.randn(BATCH, 2, HEIGHT, WIDTH, generator=generator), -torch.ones(BATCH, 1, HEIGHT, WIDTH)], 1
        ),
        depth_offset=0.03 + 0.01 * torch.randn(shape, generator=generator),
        mu=50 * torch.rand(shape, generator=generator),
    )
    return terms, smoothness


def start() -> tuple[torch.Tensor, Duals]:
    flow = torch.zeros(BATCH, 3, HEIGHT, WIDTH)
    return flow, Duals(torch.zeros(BATCH, 2, 3, HEIGHT, WIDTH), torch.zeros(BATCH, HEIGHT, WIDTH))


def test_energy_falls_towards_its_minimum() -> None:
    terms, smoothness = problem()
    flow, duals = start()
    energies = [
        energy(solve_level(flow, duals, terms, smoothness, n)[0], terms, smoothness) for n in (0, 50, 200, 2000)
    ]
    assert (energies[1] < 0.9 * energies[0]).all()
    assert (energies[2] < energies[1]).all()
    assert (energies[3] <= energies[2]).all()
    assert (energies[2] < 1.01 * energies[3]).all()


def test_perturbing_the_solution_does_not_lower_the_energy() -> None:
    terms, smoothness = problem()
    solution, _ = solve_level(*start(), terms, smoothness, 5000)
    lowest = energy(solution, terms, smoothness)
    for seed in range(5):
        step = 1e-2 * torch.randn(solution.shape, generator=torch.Generator().manual_seed(seed))
        assert (energy(solution + step, terms, smoothness) > lowest).all()


def test_continuing_with_the_duals_is_like_not_stopping() -> None:
    terms, smoothness = problem()
    flow, duals = start()
    straight, _ = solve_level(flow, duals, terms, smoothness, 3000)
    halfway = solve_level(flow, duals, terms, smoothness, 1500)
    resumed, resumed_duals = solve_level(*halfway, terms, smoothness, 1500)
    assert torch.allclose(energy(straight, terms, smoothness), energy(resumed, terms, smoothness), rtol=1e-3)
    assert resumed_duals.smoothness.square().sum(dim=1).max() <= 1 + 1e-5
    assert resumed_duals.depth.abs().max() <= 1


def test_inputs_are_not_changed() -> None:
    terms, smoothness = problem()
    flow, duals = start()
    solve_level(flow, duals, terms, smoothness, 3)
    assert not flow.any()
    assert not duals.smoothness.any()
    assert not duals.depth.any()


def test_without_intensity_slopes_nothing_is_undefined() -> None:
    terms, smoothness = problem()
    flat = DataTerms(
        torch.zeros_like(terms.intensity_slope),
        torch.zeros_like(terms.intensity_offset),
        terms.depth_slope,
        terms.depth_offset,
        terms.mu,
    )
    flow, _ = solve_level(*start(), flat, smoothness, 100)
    assert flow.isfinite().all()
    assert flow[:, 2].mean() > 0.01  # the depth term alone still finds w
