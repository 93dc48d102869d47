"""What an atomic-flow network predicts for one clip, beside the flow that came: the same crop, as motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..models.atomic_flow import AtomicFlowNet
from ..models.codebook import decode_probabilities
from ..schemas.atomic_flow import AtomicFlowSection
from .batches_atomic_flow import ClipSource, read_clip_and_flow
from .clip_plan import ClipRef, TrainSample
from .frame_input import STREAMS, Float, crop_corner


@dataclass(frozen=True)
class PredictedFlow:
    """The centre crop of a clip. Flow is in metres (C = 3, or 2 where the codebook drops δz) or pixels a step.

    frames: (2, S, S[, 3]), depth in millimetres or RGB. truth, predicted: (n, C, g, g). known: (n, g, g), cells that
    were measured; steps beyond the recording's end are not.
    """

    start: int
    stride: int
    frames: npt.NDArray[Any]
    truth: Float
    predicted: Float
    known: npt.NDArray[np.bool_]

    def errors(self) -> list[tuple[float, float]]:
        """(error of the prediction, length of the true motion) of each step: means over its known cells."""
        missed, length = (np.linalg.norm(flow, axis=1) for flow in (self.predicted - self.truth, self.truth))
        steps = zip(missed, length, self.known, strict=True)
        return [(float(e[k].mean()), float(m[k].mean())) if k.any() else (np.nan, np.nan) for e, m, k in steps]


@torch.inference_mode()
def predict_flow(
    net: AtomicFlowNet, clips: ClipSource, sample: TrainSample, start: int, config: AtomicFlowSection
) -> PredictedFlow:
    """Predict the steps after the frames `start` and `start` + stride of a sample; `net` is in evaluation mode.

    The motion is the expectation over the codewords. The network was trained with rare codewords weighing more, so its
    probabilities are first divided by those weights.
    """
    frames, flow, known = read_clip_and_flow(clips, sample, ClipRef(0, start, 0.5, 0.5, False), config)
    device = net.centres.device
    logits = net(torch.from_numpy(frames)[None].to(device), config.steps)[0]
    probabilities = torch.softmax(logits.float() - net.class_weights.log()[:, None, None], dim=1)
    predicted = decode_probabilities(probabilities, net.centres).cpu().numpy()
    streams, grid = clips.frames(sample, [start, start + sample.stride])
    y, x = crop_corner(grid, config.crop, 0.5, 0.5)
    shown = streams[STREAMS[config.modality][0]][:, y : y + config.crop, x : x + config.crop]
    return PredictedFlow(start, sample.stride, shown, flow[:, : predicted.shape[1]], predicted, known)
