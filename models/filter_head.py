"""The convolution that predicts filters: it starts at zero, and large ones do not leave it at once."""

from __future__ import annotations

import math

from torch import Tensor, nn


class FilterHead(nn.Module):
    """`conv`, set to zero and divided by √(its fan-in), in float32: differences of filters from the identity.

    Adam moves every weight by the learning rate at first, whatever the gradient, so that a plain convolution of
    thousands of inputs leaves the identity at once. The division is the equalised learning rate of Karras et al.,
    ICLR 2018; it changes nothing but the training. For inputs of one sign a step still grows with √(fan-in). Weight
    decay acts on the undivided weights, which are large beside their gradients: train without it.
    """

    def __init__(self, conv: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        assert conv.bias is not None
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
        self.conv = conv
        self._gain = 1 / math.sqrt(conv.weight[0].numel())

    def forward(self, x: Tensor) -> Tensor:
        """What conv makes of x, times the gain."""
        out: Tensor = self.conv(x)
        return out.float() * self._gain
