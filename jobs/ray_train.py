"""The training loop on Ray Train workers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from .options import RunOptions
from .ray_session import ray_session
from .train_data import open_data
from .train_job import LoopOptions, TrainJob
from .train_loop import Worker, train

_MOST_FAILURES = 2


def train_over_ray(job: TrainJob, options: RunOptions, loop: LoopOptions) -> None:
    """Run `train` on every worker; a worker that dies restarts all of them from the newest checkpoint."""
    with ray_session(options):
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api.exceptions import WorkerGroupError

        class Trainer(TorchTrainer):  # type: ignore[misc]  # Ray has no types
            def _register_sigint_handler(self, controller: Any) -> None:
                """Ctrl-C stays KeyboardInterrupt: Ray's own handler would take it for itself and end with 0 or 1."""

        folder = job.store.local_path(f"runs/{job.run}/ray")
        trainer = Trainer(
            _worker,
            train_loop_config={"job": job, "options": loop},
            scaling_config=ScalingConfig(num_workers=options.workers, use_gpu=torch.cuda.is_available()),
            run_config=RunConfig(
                name=job.run, storage_path=str(folder), failure_config=FailureConfig(max_failures=_MOST_FAILURES)
            ),
        )
        try:
            trainer.fit()
        except WorkerGroupError as error:
            # Ray wraps what a worker raised; the first rank's own error says what is wrong
            raise _own(error.worker_failures[min(error.worker_failures)]) from None


def _own(failure: BaseException) -> BaseException:
    """The error inside Ray's wrapper, which names it `base_exc`."""
    inner = getattr(failure, "base_exc", None)
    return inner if isinstance(inner, BaseException) else failure


def _worker(config: dict[str, Any]) -> None:
    from ray.train import get_context
    from ray.train.torch import get_device

    context, job = get_context(), config["job"]
    options = replace(config["options"], rank=context.get_world_rank(), workers=context.get_world_size())
    train(Worker(job, *open_data(job), get_device(), options))
