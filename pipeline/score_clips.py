"""A trained network on evenly spaced clips of a sample: class scores, or features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .batches_atomic_flow import ClipSource
from .batches_clip_classifier import read_centre_clips
from .clip_plan import TrainSample

if TYPE_CHECKING:
    from ..schemas.recipe import TrainSection


@dataclass(frozen=True)
class ClipScorer:
    """forward: clips (N, T, C_in, S, S) to rows (N, D) of logits or features; the rest says which clips it is given.

    batch: clips in one forward pass.
    """

    forward: Callable[[Tensor], Tensor]
    clips: ClipSource
    network: TrainSection
    num_clips: int
    clip_frames: int
    batch: int
    device: torch.device

    @torch.inference_mode()
    def rows(self, sample: TrainSample) -> npt.NDArray[np.float64]:
        """What `forward` says of each of the sample's clips (N, D)."""
        cut = read_centre_clips(self.clips, sample, self.num_clips, self.clip_frames, self.network)
        parts = torch.split(torch.from_numpy(cut), self.batch)
        rows = torch.cat([self.forward(part.to(self.device)).float().cpu() for part in parts])
        return np.asarray(rows.double().numpy())

    def scores(self, sample: TrainSample) -> npt.NDArray[np.float64]:
        """Softmax of the logits of each clip (N, L); rows sum to 1."""
        return np.asarray(torch.from_numpy(self.rows(sample)).softmax(dim=1).numpy())
