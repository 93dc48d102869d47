"""The hidden units of a future predictor that runs on long after what it was trained for, as a picture.

Srivastava et al. 2015 show them for a trained network and for a random one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..models.lstm import LSTMNet, SequenceBatch

RUN_ON = 100
_GAP = 4
_ZOOM = 3


def run_on(trained_for: int) -> int:
    """Frames that a predictor of so many is run on for: 100, or twice as many where that is more."""
    return max(RUN_ON, 2 * trained_for)


@torch.inference_mode()
def hidden_activity(net: LSTMNet, batch: SequenceBatch, steps: int) -> npt.NDArray[np.float32]:
    """Outputs (H, steps) of the future decoder's top layer after the first sequence of the batch, running freely."""
    net.eval()
    states = net.encode(batch.frames[:1])
    hidden = net.future_outputs(states, steps)
    return np.asarray(hidden[:, 0].T.float().cpu().numpy())


def activity_picture(
    activities: list[npt.NDArray[np.float32]], trained_for: int, most_units: int = 100
) -> npt.NDArray[np.uint8]:
    """Units downwards, time to the right, one block for each activity (H, T); white +1, grey 0, black -1.

    Each block shows the units that are most active, on its own scale; a line stands where training ended.
    """
    blocks = []
    for activity in activities:
        order = np.argsort(-activity.std(axis=1), kind="stable")[:most_units]
        shown = activity[order] / max(float(np.abs(activity[order]).max()), 1e-12)
        levels = np.round(127.5 * (shown + 1)).astype(np.uint8)
        zoomed = np.repeat(np.repeat(levels, _ZOOM, axis=0), _ZOOM, axis=1)
        zoomed[:, trained_for * _ZOOM - 1] = 255
        blocks += [zoomed, np.full((_GAP, zoomed.shape[1]), 255, dtype=np.uint8)]
    return np.concatenate(blocks[:-1])
