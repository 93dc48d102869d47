import pytest
import torch
from motionpipe.models.filter_head import FilterHead
from torch import nn


def test_a_head_starts_at_zero_and_is_its_convolution_over_the_root_of_the_fan_in():
    head = FilterHead(nn.Conv2d(5, 4, 3, padding=1))
    x = torch.randn(2, 5, 6, 6)
    assert not head(x).any()
    nn.init.normal_(head.conv.weight)
    torch.testing.assert_close(head(x), head.conv(x) / 45**0.5)


@pytest.mark.parametrize("channels", [8, 512])
def test_one_step_of_adam_stays_near_zero_for_any_number_of_inputs(channels):
    """Inputs and gradients all alike, the worst case: lr · √(9 · channels); a plain sum moves by the square of it."""
    head = FilterHead(nn.Conv2d(channels, 1, 3, bias=True))
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-3)
    x = torch.ones(1, channels, 3, 3)
    head(x).sum().backward()
    optimiser.step()
    assert abs(float(head(x).detach())) == pytest.approx(1e-3 * (9 * channels) ** 0.5, rel=0.02)
