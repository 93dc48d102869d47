import pytest
import torch
from motionpipe.models.flow_stack import stack_flow


def flow(*shape):
    return 6 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_channels_are_u_v_of_each_pair_in_order():
    pairs = flow(6, 2, 4, 5)
    stacked = stack_flow(pairs, 3, 100.0)
    assert stacked.shape == (2, 6, 4, 5)
    torch.testing.assert_close(stacked[1, 2], pairs[4, 0] / (200 * 0.226))
    torch.testing.assert_close(stacked[0, 5], pairs[2, 1] / (200 * 0.226))


def test_flow_is_clipped():
    stacked = stack_flow(flow(1, 2, 8, 8) * 10, 1, 5.0)
    assert stacked.abs().max().item() == pytest.approx(0.5 / 0.226)
