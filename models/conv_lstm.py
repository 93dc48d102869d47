"""The convolutional LSTM cell (Shi et al. 2015), without peepholes.

Shapes: B clips, C channels, H x W the code's grid.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""Hidden map h and memory c, each (B, hidden, H, W)."""


class ConvLSTMCell(nn.Module):
    """One step of a 3x3 ConvLSTM; a single convolution gives the four gates. The forget bias starts 1 higher.

        i = σ(W_xi*x + W_hi*h + b_i)    f = σ(W_xf*x + W_hf*h + b_f)    g = tanh(W_xg*x + W_hg*h + b_g)
        o = σ(W_xo*x + W_ho*h + b_o)    c' = f∘c + i∘g                  h' = o∘tanh(c')

    A cell without input (`input_channels` 0) takes x = None: the same as an input of zeros, at half the price.
    """

    def __init__(self, input_channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(input_channels + hidden, 4 * hidden, kernel_size=3, padding=1)
        with torch.no_grad():
            assert self.gates.bias is not None
            self.gates.bias[hidden : 2 * hidden] += 1.0

    def forward(self, x: Tensor | None, state: State) -> State:
        """From input x (B, input_channels, H, W) and (h, c) to the next (h', c')."""
        h, c = state
        gates: Tensor = self.gates(h if x is None else torch.cat((x, h), dim=1))
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def zero_state(self, like: Tensor) -> State:
        """The state before the first step, for inputs of the batch and grid of `like` (B, *, H, W)."""
        zeros = like.new_zeros(like.shape[0], self.hidden, *like.shape[2:])
        return zeros, zeros
