"""The device that a worker computes on: a GPU where it was given one, else the CPU, and no other than was asked for."""

from __future__ import annotations

import click

from ..schemas.errors import MotionpipeError
from .options import RunOptions


def require_device(device: str) -> None:
    """Raise one clear error where a worker was given a GPU that torch cannot use.

    Going on without it would take many times as long, and give the other device's bytes.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        built = (
            "has no CUDA" if torch.version.cuda is None else f"is for CUDA {torch.version.cuda}, and finds no device"
        )
        raise MotionpipeError(
            f"--gpus-per-worker: torch cannot use a GPU here (torch {torch.__version__} {built}); leave the option out "
            "to compute on the CPU, or install a CUDA build of torch"
        )


def mention_idle_gpu(options: RunOptions) -> None:
    """Say so where this machine has a GPU that the command will not use."""
    import torch

    if options.device == "cpu" and options.address is None and torch.cuda.is_available():
        click.echo("a GPU is here and not used; --gpus-per-worker 1 computes on it", err=True)
