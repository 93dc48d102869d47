"""What the jobs know of a model: how it is built, what it learns from, its loss, and how a trained one is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..pipeline.clip_plan import ClipRef, Starts, TrainSample
from ..pipeline.frame_input import Float
from ..pipeline.store import Store
from .train_job import TrainJob


@dataclass(frozen=True)
class Learner:
    """A model as the training loop, `embed` and `evaluate` see it.

    In training: build: a new network; its weights follow from torch's seed. groups: its parameters for the optimiser,
    `full_rate` their step size before the schedule, `part` which part of the network they are. begin: put it into
    training mode for an epoch, and return factors of the rates of parts in it, where they are not 1. starts: first
    frames that clips may have. flip: whether clips are mirrored. read: a batch of clips. loss: scalars of a batch at a
    part of the run in [0, 1]; only `loss` carries gradients.

    Both: open: where clips are read, from a store, its folder of flow if any, the side of a flow cell [px] and the
    network's section. modality: the streams that it needs, see `frame_input.STREAMS`.

    Afterwards: restore: the network of a checkpoint, in evaluation mode. cut: frame numbers of so many evenly spaced
    clips of so many frames of a sample. show: those clips as network input (clips, …). features: embeddings (clips, D)
    of network input, pooled to a grid, None where a model has none; a classifier's forward pass gives logits (clips,
    L). show_crops: as show, ten crops of each clip one after the other; None where a model has no such protocol.
    around: frame numbers that stand for a single frame, where a model does not look at one alone.
    """

    open: Callable[[Store, str | None, int, Any], Any]
    modality: Callable[[Any], str]
    build: Callable[[TrainJob], nn.Module]
    groups: Callable[[nn.Module, TrainJob], list[dict[str, Any]]]
    begin: Callable[[nn.Module, TrainJob, int], dict[str, float]]
    starts: Callable[[TrainJob], Starts]
    flip: Callable[[TrainJob], bool]
    read: Callable[[TrainJob, Any, Sequence[TrainSample], Sequence[ClipRef]], Any]
    loss: Callable[[Any, Any, float], dict[str, Tensor]]
    restore: Callable[[Any, dict[str, Tensor]], nn.Module]
    cut: Callable[[Any, TrainSample, int, int], list[list[int]]]
    show: Callable[[Any, Any, TrainSample, Sequence[Sequence[int]]], Float]
    features: Callable[[Any, Tensor, int], Tensor] | None
    show_crops: Callable[[Any, Any, TrainSample, Sequence[Sequence[int]]], Float] | None = None
    around: Callable[[Any, TrainSample, int], list[int]] | None = None
