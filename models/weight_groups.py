"""Which parameters of a network decay: its weights, neither biases nor what scales or shifts channels."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn


def weight_groups(net: nn.Module, weight_decay: float, kept: Collection[str] = ()) -> list[dict[str, Any]]:
    """Two groups for an optimiser: kernels and matrices decay, the parameters named in `kept` and all others do not.

    Adam's L2 term drives a batch norm's scale, whose own gradient is small, to 0 within some hundred steps, and with it
    the spread of all features behind it.
    """
    named = dict(net.named_parameters())
    decaying = {name for name, parameter in named.items() if parameter.ndim >= 2 and name not in kept}
    return [
        {"params": [named[name] for name in named if name in decaying], "weight_decay": weight_decay},
        {"params": [named[name] for name in named if name not in decaying], "weight_decay": 0.0},
    ]
