import numpy as np
import pytest
import torch
from motionpipe.models.peephole_lstm import PeepholeLSTM

INPUTS, HIDDEN, BATCH, STEPS = 3, 4, 2, 5


def layer(inputs=INPUTS, peephole=True, scale=50):
    """A layer in float64 whose weights are large enough to matter."""
    torch.manual_seed(1)
    made = PeepholeLSTM(inputs, HIDDEN, peephole).double()
    with torch.no_grad():
        made.weight_x *= scale
        made.weight_h *= scale
        made.peephole *= 5
        made.bias.uniform_(-0.5, 0.5)
    return made


def state():
    generator = torch.Generator().manual_seed(2)
    return tuple(torch.randn(BATCH, HIDDEN, generator=generator, dtype=torch.float64) for _ in range(2))


def sequence(inputs=INPUTS):
    return torch.randn(STEPS, BATCH, inputs, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def stepwise(net, x, start):
    outputs, now = [], start
    for t in range(STEPS):
        now = net.step(None if x is None else x[t], now)
        outputs.append(now[0])
    return torch.stack(outputs), now


def test_one_step_follows_the_formula_by_hand():
    net = PeepholeLSTM(1, 1).double()
    with torch.no_grad():
        net.weight_x.copy_(torch.tensor([[0.5], [-0.3], [0.2], [0.7]]))  # i, f, a, o
        net.weight_h.copy_(torch.tensor([[0.1], [0.4], [-0.6], [0.9]]))
        net.bias.copy_(torch.tensor([0.05, 1.0, -0.1, 0.2]))
        net.peephole.copy_(torch.tensor([[0.3], [-0.2], [0.6]]))  # i, f, o
    x, h, c = 2.0, -0.5, 0.8

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    i = sigmoid(0.5 * x + 0.1 * h + 0.3 * c + 0.05)
    f = sigmoid(-0.3 * x + 0.4 * h - 0.2 * c + 1.0)
    after = f * c + i * np.tanh(0.2 * x - 0.6 * h - 0.1)
    o = sigmoid(0.7 * x + 0.9 * h + 0.6 * after + 0.2)  # the output gate sees the new memory

    def one(value):
        return torch.full((1, 1), value, dtype=torch.float64)

    hidden, memory = net.step(one(x), (one(h), one(c)))
    assert memory.item() == pytest.approx(after, rel=1e-7)
    assert hidden.item() == pytest.approx(o * np.tanh(after), rel=1e-7)


@pytest.mark.parametrize("peephole", [True, False])
def test_mixed_precision_stays_near_and_gives_float32(peephole):
    torch.manual_seed(0)
    net, x = PeepholeLSTM(INPUTS, HIDDEN, peephole), sequence().float()
    with torch.autocast("cpu", torch.bfloat16):
        outputs, (h, c) = net(x, net.zero_state(BATCH), STEPS)
    assert {outputs.dtype, h.dtype, c.dtype} == {torch.float32}
    torch.testing.assert_close(outputs, stepwise(net, x, net.zero_state(BATCH))[0], atol=2e-3, rtol=0)


@pytest.mark.parametrize("inputs", [INPUTS, 0])
@pytest.mark.parametrize("peephole", [True, False])
def test_the_fused_path_is_the_unrolled_one(inputs, peephole):
    net, start = layer(inputs, peephole), state()
    x = sequence() if inputs else None
    expected, expected_state = stepwise(net, x, start)
    outputs, last = net(x, start, STEPS)
    torch.testing.assert_close(outputs, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(last, expected_state, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("inputs", [INPUTS, 0])
def test_its_gradients_are_those_of_autograd(inputs):
    net = layer(inputs)
    start = tuple(part.requires_grad_() for part in state())
    x = sequence().requires_grad_() if inputs else None
    weights = torch.randn(STEPS, BATCH, HIDDEN, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    leaves = [*net.parameters(), *start, *([x] if inputs else [])]
    found = []
    for path in (lambda: net(x, start, STEPS), lambda: stepwise(net, x, start)):
        outputs, (h, c) = path()
        total = (outputs * weights).sum() + (h * weights[0]).sum() + (c * weights[1]).sum()
        found.append(torch.autograd.grad(total, leaves, allow_unused=True))
    for fused, unrolled, leaf in zip(*found, leaves, strict=True):
        if leaf.numel():
            torch.testing.assert_close(fused, unrolled, rtol=1e-10, atol=1e-12)


def test_without_peepholes_it_is_the_lstm_of_torch():
    net, x = layer(peephole=False), sequence()
    other = torch.nn.LSTM(INPUTS, HIDDEN).double()
    order = torch.cat([torch.arange(k * HIDDEN, (k + 1) * HIDDEN) for k in range(4)])  # i, f, g, o as here
    with torch.no_grad():
        other.weight_ih_l0.copy_(net.weight_x[order])
        other.weight_hh_l0.copy_(net.weight_h[order])
        other.bias_ih_l0.copy_(net.bias[order])
        other.bias_hh_l0.zero_()
    h, c = state()
    expected, (h_last, c_last) = other(x, (h[None], c[None]))
    outputs, last = net(x, (h, c), STEPS)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(last, (h_last[0], c_last[0]))


def test_weights_start_as_in_the_released_configurations():
    torch.manual_seed(0)
    net = PeepholeLSTM(64, 64)
    assert 0.0099 < net.weight_x.abs().max() <= 0.01
    assert 0.0099 < net.weight_h.abs().max() <= 0.01
    assert 0.09 < net.peephole.abs().max() <= 0.1
    assert not net.bias.any()


def test_an_encoder_of_2048_units_has_50_million_parameters():
    with torch.device("meta"):
        count = sum(p.numel() for p in PeepholeLSTM(4096, 2048).parameters())
    assert count == 4 * 2048 * (4096 + 2048 + 1) + 3 * 2048 == 50_345_984


def test_products_in_bfloat16_stay_near(monkeypatch):
    net, start = layer().float(), tuple(part.float() for part in state())
    x = sequence().float()
    exact, _ = net(x, start, STEPS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, (h, c) = net(x, start, STEPS)
    assert outputs.dtype == h.dtype == c.dtype == torch.float32
    assert 0 < (outputs - exact).abs().max() < 0.03
    outputs.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
