import math

import pytest
import torch
from motionpipe.models import lstm
from motionpipe.models.lstm import SequenceBatch
from motionpipe.models.lstm_classifier import LSTMClassifier
from motionpipe.schemas.lstm_section import LSTMSection

SMALL = {"hidden": 16, "layers": 2, "input_frames": 4, "future_frames": 3}


def test_recurrent_weights_of_every_gate_keep_lengths_and_memory_is_kept():
    net = lstm.build(LSTMSection(**SMALL, start="orthogonal"), 12)
    for layer in (*net.encoder.layers, *net.decoders["future"].stack.layers):
        for gate in layer.weight_h.chunk(4):
            torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
        i, f, a, o = layer.bias.chunk(4)
        assert (f == 1).all()
        assert not torch.cat((i, a, o)).any()


@pytest.mark.parametrize(("output", "bias"), [("bernoulli", math.log(0.05 / 0.95)), ("gaussian", 0.0)])
def test_pixels_are_expected_black_and_percepts_are_not(output, bias):
    fields = {"input": "moving-mnist" if output == "bernoulli" else "percepts", "output": output}
    net = lstm.build(LSTMSection(**SMALL, **fields, start="orthogonal"), 12)
    for decoder in net.decoders.values():
        torch.testing.assert_close(decoder.readout.bias, torch.full((12,), bias))


def test_the_released_start_is_as_it_was():
    net = lstm.build(LSTMSection(**SMALL), 12)
    assert all(p.abs().max() <= 0.01 for name, p in net.named_parameters() if "weight" in name and p.numel())


def test_classifiers_begin_likewise():
    gate = LSTMClassifier(12, LSTMSection(**SMALL, start="orthogonal"), torch.arange(3)).encoder.layers[0].weight_h[:16]
    torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)


def test_it_learns_in_fewer_steps():
    """One white square that moves by its width: both starts see the same batch and take the same steps."""
    frames = torch.zeros(8, 7, 8, 8)
    for number in range(8):
        for t in range(7):
            frames[number, t, number, (number + t) % 8] = 1
    losses = {}
    for start in ("released", "orthogonal"):
        torch.manual_seed(0)
        net = lstm.build(LSTMSection(**SMALL | {"layers": 1}, start=start), 64)
        optimiser = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(60):
            out = lstm.loss(net, SequenceBatch(frames.flatten(2)))
            optimiser.zero_grad()
            out["loss"].backward()
            optimiser.step()
        losses[start] = out["loss"].item()
    assert losses["orthogonal"] < 0.8 * losses["released"]
