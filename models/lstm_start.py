"""Weights that an LSTM begins with so that it learns within few steps, whatever its width.

The released ±0.01 is small beside 1/√H for all but the widest layers, half of the memory is lost at each step, and
grey predictions of a black picture leave the readout's bias nearly all of the gradient that is clipped.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from .peephole_lstm import PeepholeLSTM

FORGET = 1
"""Place of the forget gate among the gates i, f, a, o."""
INK = 0.05
"""Part of a Moving MNIST frame that is white."""


@torch.no_grad()
def start_orthogonal(net: nn.Module) -> None:
    """Layers begin with orthogonal recurrent weights for each gate and a forget bias of 1, all other weights Xavier.

    Saxe et al., ICLR 2014; Jozefowicz et al., ICML 2015; Glorot and Bengio, AISTATS 2010. Linear layers: Xavier.
    """
    for module in net.modules():
        if isinstance(module, PeepholeLSTM):
            for gate in module.weight_h.chunk(4):
                nn.init.orthogonal_(gate)
            if module.weight_x.numel():
                nn.init.xavier_uniform_(module.weight_x)
            module.bias.chunk(4)[FORGET].fill_(1)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)


@torch.no_grad()
def expect_ink(readout: nn.Linear) -> None:
    """A readout of Bernoulli pixels begins at the share of ink, log odds -2.94, instead of at grey."""
    readout.bias.fill_(math.log(INK / (1 - INK)))
