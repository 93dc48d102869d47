"""The training loop on Ray Train workers (DDP)."""

from __future__ import annotations

from typing import Any

import torch

from ..schemas.errors import MotionpipeError
from .options import RunOptions
from .ray_session import ray_session
from .train_loop import TrainJob, train

_MOST_FAILURES = 2


def train_over_ray(job: TrainJob, options: RunOptions) -> None:
    """Run `train` on every worker; a worker that dies restarts all of them from the newest checkpoint."""
    with ray_session(options):
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        folder = job.store.local_path(f"runs/{job.run}/ray")
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"job": job},
            scaling_config=ScalingConfig(num_workers=options.workers, use_gpu=torch.cuda.is_available()),
            run_config=RunConfig(
                name=job.run, storage_path=str(folder), failure_config=FailureConfig(max_failures=_MOST_FAILURES)
            ),
        )
        try:
            trainer.fit()
        except Exception as error:
            raise _cause(error) from error


def _worker(config: dict[str, Any]) -> None:
    from ray.train import get_context
    from ray.train.torch import get_device

    context = get_context()
    train(config["job"], context.get_world_rank(), context.get_world_size(), get_device())


def _cause(error: Exception) -> Exception:
    failures = getattr(error, "worker_failures", None) or {}
    for failure in failures.values():
        cause = getattr(failure, "cause", None) or getattr(failure, "_base_exc", None) or failure
        if isinstance(cause, MotionpipeError):
            return cause
    return error
