"""A trained network on evenly spaced clips of a sample: class scores, or features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .clip_plan import TrainSample
from .frame_input import Float

Clips = list[list[int]]
"""Frame numbers of each clip."""


@dataclass(frozen=True)
class ClipScorer:
    """cut: the clips of a sample. show: those clips as network input (N, …). forward: that to rows (N, D).

    Rows are logits or features. batch: clips in one forward pass. around: where clips are single frames that a network
    tells by those beside them, the frames that it is shown for one.
    """

    cut: Callable[[TrainSample], Clips]
    show: Callable[[TrainSample, Clips], Float]
    forward: Callable[[Tensor], Tensor]
    batch: int
    device: torch.device
    around: Callable[[TrainSample, int], list[int]] | None = None

    @torch.inference_mode()
    def rows(self, sample: TrainSample, clips: Clips | None = None) -> npt.NDArray[np.float64]:
        """What `forward` says of each of the sample's clips (N, D); clips: those of `cut`, where they are at hand."""
        numbers = self.cut(sample) if clips is None else clips
        if self.around is not None:
            numbers = [self.around(sample, frame) for (frame,) in numbers]
        # some clips at a time: ten crops of all of a recording's would take gigabytes
        rows = [
            self.forward(part.to(self.device)).float().cpu()
            for i in range(0, len(numbers), self.batch)
            for part in torch.split(torch.from_numpy(self.show(sample, numbers[i : i + self.batch])), self.batch)
        ]
        return np.asarray(torch.cat(rows).double().numpy())

    def scores(self, sample: TrainSample) -> npt.NDArray[np.float64]:
        """Softmax of the logits of each clip (N, L); rows sum to 1."""
        return np.asarray(torch.from_numpy(self.rows(sample)).softmax(dim=1).numpy())
