import numpy as np
import pytest
import torch
from motionpipe.models.conv_lstm import ConvLSTMCell


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_one_step_follows_the_formula_by_hand():
    cell = ConvLSTMCell(1, 1)
    with torch.no_grad():
        cell.gates.weight.zero_()
        cell.gates.weight[:, 0, 1, 1] = torch.tensor([0.5, -0.3, 0.2, 0.7])  # of x, in the order i, f, g, o
        cell.gates.weight[:, 1, 1, 1] = torch.tensor([0.1, 0.4, -0.6, 0.9])  # of h
        cell.gates.bias.copy_(torch.tensor([0.05, 1.0, -0.1, 0.2]))
    x, h, c = 2.0, -0.5, 0.8
    i = sigmoid(0.5 * x + 0.1 * h + 0.05)
    f = sigmoid(-0.3 * x + 0.4 * h + 1.0)
    g = np.tanh(0.2 * x - 0.6 * h - 0.1)
    o = sigmoid(0.7 * x + 0.9 * h + 0.2)
    next_c = f * c + i * g

    hidden, memory = cell(torch.full((1, 1, 1, 1), x), (torch.full((1, 1, 1, 1), h), torch.full((1, 1, 1, 1), c)))

    assert memory.item() == pytest.approx(next_c, rel=1e-6)
    assert hidden.item() == pytest.approx(o * np.tanh(next_c), rel=1e-6)


def test_forget_bias_starts_one_higher_than_the_other_gates():
    torch.manual_seed(0)
    bias = ConvLSTMCell(4, 64).gates.bias.detach().reshape(4, 64).mean(dim=1)
    assert bias[1] - 1 == pytest.approx(0, abs=0.02)
    assert bias[[0, 2, 3]].abs().max() < 0.02


def test_cell_without_input_equals_a_cell_whose_input_is_zero():
    torch.manual_seed(0)
    driven, free = ConvLSTMCell(3, 5), ConvLSTMCell(0, 5)
    with torch.no_grad():
        free.gates.weight.copy_(driven.gates.weight[:, 3:])
        free.gates.bias.copy_(driven.gates.bias)
    state = (torch.randn(2, 5, 4, 4), torch.randn(2, 5, 4, 4))
    for a, b in zip(driven(torch.zeros(2, 3, 4, 4), state), free(None, state), strict=True):
        torch.testing.assert_close(a, b)


def test_state_keeps_its_shape():
    cell = ConvLSTMCell(3, 5)
    x = torch.randn(2, 3, 7, 6)
    h, c = cell(x, cell.zero_state(x))
    assert h.shape == c.shape == (2, 5, 7, 6)
