import copy

import pytest
import torch
from motionpipe.jobs.optimisers import ClippedMomentum, make_optimiser
from motionpipe.schemas.errors import MotionpipeError
from torch import nn


def test_clipped_momentum_follows_the_formula():
    matrix, bias = nn.Parameter(torch.tensor([[1.0, -2.0]])), nn.Parameter(torch.tensor([1.0]))
    optimiser = ClippedMomentum(
        [{"params": [matrix], "lr": 0.1}, {"params": [bias], "lr": 0.1, "weight_decay": 0.0}], 0.5, most=0.07
    )
    matrix.grad, bias.grad = torch.tensor([[0.1, 0.3]]), torch.tensor([0.2])
    optimiser.step()
    # 0.1 (0.1 + 0.5 · 1) = 0.06; 0.1 (0.3 - 0.5 · 2) = -0.07; the bias does not decay: 0.1 · 0.2
    torch.testing.assert_close(matrix.data, torch.tensor([[0.94, -1.93]]))
    torch.testing.assert_close(bias.data, torch.tensor([0.98]))
    matrix.grad, bias.grad = torch.zeros(1, 2), torch.tensor([0.0])
    optimiser.step()
    # 0.9 · 0.06 + 0.047 = 0.101, clipped to 0.07; 0.9 · 0.02 = 0.018
    torch.testing.assert_close(matrix.data[0, 0], torch.tensor(0.87))
    torch.testing.assert_close(bias.data, torch.tensor([0.962]))


def test_its_state_survives_a_checkpoint():
    def weight():
        return nn.Parameter(torch.ones(2, 2))

    a, b = weight(), weight()
    one, two = (ClippedMomentum([{"params": [w], "lr": 0.1}], 0.1, most=1.0) for w in (a, b))
    a.grad = torch.full((2, 2), 0.5)
    one.step()
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    b.data, b.grad = a.data.clone(), torch.zeros(2, 2)
    a.grad = torch.zeros(2, 2)
    one.step()
    two.step()
    torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_large_epsilon_makes_small_gradients_small_steps():
    weight = nn.Parameter(torch.zeros(1))
    optimiser = make_optimiser("adam", [{"params": [weight], "lr": 0.1}], 0.0, adam_eps=1e-3)
    weight.grad = torch.tensor([1e-3])
    optimiser.step()
    torch.testing.assert_close(weight.data, torch.tensor([-0.05]))


def test_momentum_cannot_be_recorded():
    with pytest.raises(MotionpipeError, match="without --graph"):
        make_optimiser("momentum", [], 0.0, capturable=True)
