"""The models that can be trained, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from . import learn_atomic_flow, learn_cgm_net, learn_lstm, learn_uf_tsn

if TYPE_CHECKING:
    from ..schemas.training import LoopSection

LEARNERS = {
    "atomic-flow": learn_atomic_flow.PRETRAIN,
    "atomic-flow/classify": learn_atomic_flow.CLASSIFY,
    "cgm-net": learn_cgm_net.PRETRAIN,
    "cgm-net/classify": learn_cgm_net.CLASSIFY,
    "lstm": learn_lstm.PRETRAIN,
    "lstm/classify": learn_lstm.CLASSIFY,
    "uf-tsn": learn_uf_tsn.FLOW,
    "uf-tsn/classify": learn_uf_tsn.STREAM,
}


def mixed_precision(config: LoopSection, device: torch.device) -> torch.autocast:
    """Forward passes of a run: in bfloat16 where the recipe says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
