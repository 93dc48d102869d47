import pytest
import torch
from motionpipe.jobs.learning_rate import rate_factor, set_learning_rates
from motionpipe.schemas.training import LoopSection

LOOP = LoopSection()


def test_rates_warm_up_and_fall():
    steps = LOOP.model_copy(update={"milestones": (0.5, 0.75)})
    assert [rate_factor(steps, p) for p in (0, 0.4, 0.5, 0.8)] == pytest.approx([1, 1, 0.1, 0.01])
    cosine = LOOP.model_copy(update={"schedule": "cosine", "warmup": 0.2})
    assert [rate_factor(cosine, p) for p in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([1e-3, 0.5, 1, 0.5, 0])


def test_parts_keep_their_own_sizes():
    rates = {"head": 1e-3, "encoder": 1e-4, "network": 1e-5}
    zero = torch.nn.Parameter
    groups = [{"params": [zero(torch.zeros(1))], "part": part, "full_rate": rate} for part, rate in rates.items()]
    optimiser = torch.optim.Adam(groups, 0.0)
    set_learning_rates(optimiser, {"head": 0.5, "encoder": 0.0}, LOOP.model_copy(update={"milestones": (0.5,)}), 0.6)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([5e-5, 0.0, 1e-6])
