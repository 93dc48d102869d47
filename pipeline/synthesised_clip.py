"""What CGM-Net makes of one clip: every frame's successor, the maps that moved it there, and what really came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..models.cgm_net import CgmNet
from ..models.dominant_motion import dominant_motion
from ..models.frame_error import l1_error
from .batches_cgm_net import RgbSource, read_clip
from .clip_plan import ClipRef, TrainSample
from .frame_input import Float

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SynthesisedClip:
    """The centre crop of a clip of T frames. The last successor was not among what the network saw.

    frames: (T + 1, S, S, 3). predicted: (T, S, S, 3), of frames 1 to T. motion: (T, 2, S, S), right and down [px], by
    the HR maps; motion_lr: (T, 2, L, L) [LR px], None where there is one kind of maps. l1, copy_l1: (T,), errors of
    what was predicted, and of the frame before in its place, in [-1, 1]. follows: (T,), false where the recording
    began again.
    """

    start: int
    stride: int
    frames: Bytes
    predicted: Bytes
    motion: Float
    motion_lr: Float | None
    l1: Float
    copy_l1: Float
    follows: npt.NDArray[np.bool_]


@torch.inference_mode()
def synthesise_clip(net: CgmNet, clips: RgbSource, sample: TrainSample, start: int) -> SynthesisedClip:
    """Synthesise the clip of a sample that begins at frame `start`; `net` is in evaluation mode."""
    config = net.config
    cut, follows = read_clip(clips, sample, ClipRef(0, start, 0.5, 0.5, False), config)
    frames = torch.from_numpy(cut)
    clip = frames[None, :-1].to(next(net.parameters()).device)
    maps = net(clip)
    predicted = net.predict(clip, maps.hr, config.dilation_hr)[0].cpu().clamp(-1, 1)
    lr = dominant_motion(maps.lr[0].transpose(0, 1)).cpu().numpy() if config.scale > 1 else None
    return SynthesisedClip(
        start=start,
        stride=sample.stride,
        frames=_picture(frames),
        predicted=_picture(predicted),
        motion=dominant_motion(maps.hr[0].transpose(0, 1), config.dilation_hr).cpu().numpy(),
        motion_lr=lr,
        l1=l1_error(predicted, frames[1:]).numpy(),
        copy_l1=l1_error(frames[:-1], frames[1:]).numpy(),
        follows=follows,
    )


def _picture(frames: torch.Tensor) -> Bytes:
    """(T, 3, S, S) in [-1, 1] to uint8 (T, S, S, 3)."""
    return np.asarray(((frames + 1) * 127.5).round().permute(0, 2, 3, 1).to(torch.uint8).numpy())
