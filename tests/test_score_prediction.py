import math

import pytest
import torch
from motionpipe.models.lstm import SequenceBatch, build
from motionpipe.pipeline.score_prediction import score_predictions
from motionpipe.schemas.lstm_section import LSTMSection


def net_that_says(value, output="bernoulli", values=4):
    """A composite whose decoders make the same value everywhere (before any sigmoid)."""
    net = build(LSTMSection(hidden=3, layers=1, input_frames=2, future_frames=3, output=output), values)
    with torch.no_grad():
        for decoder in net.decoders.values():
            decoder.readout.weight.zero_()
            decoder.readout.bias.fill_(value)
    return net


def test_figures_of_a_network_that_says_one_value():
    frames = torch.zeros(6, 5, 4)
    frames[..., 0] = 1.0  # a quarter of all values
    frames[:, 2:, 1] = 0.5
    batches = [SequenceBatch(frames[:4]), SequenceBatch(frames[4:])]
    scores = score_predictions(net_that_says(0.0), batches)
    assert scores["reconstruction"].loss == pytest.approx(4 * math.log(2))
    future = scores["future"]
    assert future.by_frame == pytest.approx([4 * math.log(2)] * 3)
    assert future.floor == pytest.approx(math.log(2))  # the one grey value
    mean = 1.5 / 4
    assert future.constant == pytest.approx(-4 * (mean * math.log(mean) + (1 - mean) * math.log(1 - mean)))
    assert future.squared_error == pytest.approx(0.25 * 3)
    assert scores["reconstruction"].last_frame < future.last_frame


def test_half_the_squared_error_where_frames_are_gaussian():
    frames = torch.tensor([1.0, 1.0, 3.0, 3.0, 0.0]).reshape(1, 5, 1).repeat(2, 1, 4)
    future = score_predictions(net_that_says(2.0, "gaussian"), [SequenceBatch(frames)])["future"]
    assert future.by_frame == pytest.approx([2.0, 2.0, 8.0])
    assert future.last_frame == pytest.approx((8 + 8 + 2) / 3)
    assert (future.floor, future.constant) == (0.0, pytest.approx(4.0))  # variance 2, four values, half


def test_batches_of_other_sizes_give_the_same_figures():
    frames = torch.rand(7, 5, 4, generator=torch.Generator().manual_seed(0))
    net = net_that_says(0.3)
    one = score_predictions(net, [SequenceBatch(frames)])
    two = score_predictions(net, [SequenceBatch(frames[:3]), SequenceBatch(frames[3:])])
    assert one["future"].by_frame == pytest.approx(two["future"].by_frame, rel=1e-6)
