"""Public weights into a network: names without wrappers, what is left out, and inputs of other channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from ..schemas.errors import MotionpipeError


def load_weights(net: nn.Module, weights: Mapping[str, Tensor], leave_out: Iterable[str] = ()) -> None:
    """Set the parameters and statistics of `net` from `weights`, whose names may begin with `module.`.

    Names that begin with one of `leave_out` (`fc.` for a head of other classes) are not read and keep their values.
    Batch norm's count of batches may be missing, as in old files. MotionpipeError names what does not fit.
    """
    prefixes = tuple(leave_out)
    given = {name.removeprefix("module."): value for name, value in weights.items()}
    given = {name: value for name, value in given.items() if not name.startswith(prefixes)}
    own = {name: value for name, value in net.state_dict().items() if not name.startswith(prefixes)}
    missing = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    unknown = [name for name in given if name not in own]
    other = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    faults = [
        f"{kind} {_some(names)}" for kind, names in (("no", missing), ("unknown", unknown), ("has", other)) if names
    ]
    if faults:
        raise MotionpipeError(f"these weights are of another network: {'; '.join(faults)}")
    net.load_state_dict(given, strict=False)


def average_input_channels(
    weights: Mapping[str, Tensor], channels: int, name: str = "conv1.weight"
) -> dict[str, Tensor]:
    """`weights` for inputs of `channels` channels: the kernel's mean over its own, for each of the new ones.

    The cross-modality initialisation of temporal segment networks (Wang et al., ECCV 2016), as for flow. The sum over
    channels grows with their number; batch norm takes that up as training starts.
    """
    wrapped = [key for key in weights if key.removeprefix("module.") == name]
    if len(wrapped) != 1:
        raise MotionpipeError(f"these weights are of another network: no {name}")
    mean = weights[wrapped[0]].mean(dim=1, keepdim=True)
    return {**weights, wrapped[0]: mean.repeat_interleave(channels, dim=1)}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
