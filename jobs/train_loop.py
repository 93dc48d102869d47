"""The training loop: plain torch, one readable function, with or without Ray around it."""

from __future__ import annotations

import copy
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..pipeline.batches_atomic_flow import ClipSource
from ..pipeline.clip_plan import ClipRef, plan_epoch, require_even_share, steps_in_epoch
from ..pipeline.read_ahead import ReadAhead, read_ahead
from ..pipeline.train_samples import TrainSamples
from ..schemas.errors import MotionpipeError
from .held_out import held_out_figures
from .learner import Learner
from .learners import LEARNERS, mixed_precision
from .learning_rate import set_learning_rates
from .metrics_log import MetricsLog
from .optimisers import make_optimiser
from .run_files import RunFiles, save_checkpoint
from .train_job import LoopOptions, TrainJob

if TYPE_CHECKING:
    from ..schemas.training import LoopSection

LOG_EVERY = 10
_SETTLE_OVER = 32


@dataclass(frozen=True)
class Worker:
    """One rank of a run: what it trains, on which clips, and where."""

    job: TrainJob
    samples: TrainSamples
    clips: ClipSource
    device: torch.device
    options: LoopOptions = field(default_factory=LoopOptions)

    @property
    def learner(self) -> Learner:
        """What the loop knows of the model."""
        return LEARNERS[self.job.learner]

    @property
    def steps_in_epoch(self) -> int:
        """Optimiser steps."""
        return steps_in_epoch(len(self.samples.learned), self.job.loop)

    def plan(self, epoch: int) -> list[list[list[ClipRef]]]:
        """Clips of an epoch, see `plan_epoch`."""
        starts, flip = self.learner.starts(self.job), self.learner.flip(self.job)
        return plan_epoch(self.samples.learned, epoch, self.job.loop, starts, flip)


@dataclass
class Position:
    """Where a run stands: `cursor` steps of `epoch` are done, `step` in all; and its best held-out epoch so far."""

    epoch: int = 0
    cursor: int = 0
    step: int = 0
    best_epoch: int = -1
    best_loss: float = math.inf

    def ended(self, config: LoopSection) -> bool:
        """Whether all epochs are done, or the last `patience` of them brought nothing better."""
        waited = config.patience is not None and self.epoch - 1 - self.best_epoch >= config.patience
        return self.epoch >= config.epochs or waited


def train(worker: Worker) -> None:
    """Train from the newest checkpoint, or from the start, to the last epoch.

    Every rank calls this; with several workers torch.distributed is initialised. Ranks share out the micro-batches of a
    step, so the order of clips and what each is normalised with are the same for any number of workers.
    """
    job, config, options, steps = worker.job, worker.job.loop, worker.options, worker.steps_in_epoch
    files = RunFiles(job.store, job.run)
    require_even_share(config, options.workers)
    _settle_torch(worker.device)
    net, optimiser, at = _restore(worker, files)
    if options.compiled:
        _compile(net, worker.device)
    log = MetricsLog(files, at.step, config.global_batch, options.events) if options.rank == 0 else None
    read = partial(worker.learner.read, job, worker.clips, worker.samples.learned)
    with read_ahead(read, _micro_batches(worker, at.epoch, at.cursor), options.readers) as batches:
        while not at.ended(config):
            factors = worker.learner.begin(net, job, at.epoch)
            for done in range(at.cursor + 1, steps + 1):
                progress = at.step / (steps * config.epochs)
                set_learning_rates(optimiser, factors, config, progress)
                metrics = _step(worker, net, optimiser, batches, at.step, progress)
                at.cursor, at.step = done, at.step + 1
                if done == steps or at.step % LOG_EVERY == 0 or at.step == 1:
                    row = _mean_over_ranks(metrics, options.workers)
                    _require_finite(row["loss"], at.step)
                    held_out = held_out_figures(worker, net) if done == steps else {}
                    if log:
                        log.row(at.step, at.epoch, row | held_out, optimiser.param_groups[0]["lr"], batches.wait_s)
                if done == steps:
                    _end_epoch(at, held_out, net, files, options.rank)
                if options.rank == 0 and at.step % config.checkpoint_every == 0:
                    files.save(at.step, _state(job, net, optimiser, at))
    if log:
        log.close()
        _end_run(worker, files, net, optimiser, at)
    if options.workers > 1:
        dist.barrier()


@torch.no_grad()
def settle_batch_norm(worker: Worker, net: nn.Module, epoch: int) -> None:
    """Take the running statistics anew, as plain means over the first micro-batches of the plan.

    What the loop gathered on the way is of one rank's micro-batches; this is the same for any number of workers.
    epoch: the one that the weights are of; an encoder that was frozen up to then keeps what it came with.
    """
    job, learner = worker.job, worker.learner
    learner.begin(net, job, epoch)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) and norm.training:
            norm.reset_running_stats()
            norm.momentum = None
    for refs in [refs for step in worker.plan(0) for refs in step][:_SETTLE_OVER]:
        batch = learner.read(job, worker.clips, worker.samples.learned, refs).to(worker.device)
        with mixed_precision(job.loop, worker.device):
            learner.loss(net, batch, 1.0)


def _settle_torch(device: torch.device) -> None:
    """One thread a worker on a CPU, the same kernels in every run on a GPU: sums keep their order."""
    if device.type == "cpu":
        torch.set_num_threads(1)
    else:
        torch.backends.cudnn.deterministic = True


def _compile(net: nn.Module, device: torch.device) -> None:
    """Compile the forward pass in place, at its first call; one clear error where no compiler is at hand."""
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise MotionpipeError(f"--compile needs a C++ compiler, and there is no {compiler}; train without it")
    net.compile()


def _micro_batches(worker: Worker, epoch: int, cursor: int) -> Iterator[Sequence[ClipRef]]:
    """This rank's micro-batches of the rest of the run; reading ahead does not stop between epochs."""
    for number in range(epoch, worker.job.loop.epochs):
        for step in worker.plan(number)[cursor if number == epoch else 0 :]:
            yield from step[worker.options.rank :: worker.options.workers]


def _restore(worker: Worker, files: RunFiles) -> tuple[nn.Module, torch.optim.Optimizer, Position]:
    job = worker.job
    torch.manual_seed(job.loop.seed)
    net = worker.learner.build(job).to(worker.device)
    groups = [{"lr": group["full_rate"], **group} for group in worker.learner.groups(net, job)]
    optimiser = make_optimiser(job.loop.optimiser, groups, job.loop.weight_decay, job.loop.adam_eps)
    state = files.latest()
    if state is None:
        if worker.options.rank == 0:
            _save_initial(worker, files, net)
        return net, optimiser, Position()
    if state["made_from"] != job.made_from:
        raise MotionpipeError(f"{files.folder} was trained on something else (another codebook?); use another --name")
    net.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return net, optimiser, Position(**state["position"])


def _save_initial(worker: Worker, files: RunFiles, net: nn.Module) -> None:
    """The untrained network, with the batch norm statistics of its own maps: what a trained one is compared with."""
    untrained = copy.deepcopy(net)
    settle_batch_norm(worker, untrained, 0)
    initial = {"model": untrained.state_dict(), "step": 0, "made_from": worker.job.made_from}
    save_checkpoint(files.store, files.initial(), initial)


def _step(
    worker: Worker,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: ReadAhead[Any],
    step: int,
    progress: float,
) -> dict[str, Tensor]:
    """One optimiser step over this rank's micro-batches, `step` of them are done; the mean of their metrics."""
    config, options = worker.job.loop, worker.options
    optimiser.zero_grad(set_to_none=True)
    sums: dict[str, Tensor] = {}
    mine = range(options.rank, config.global_batch // config.micro_batch, options.workers)
    for number in mine:
        batch = batches.take().to(worker.device)
        # dropout follows the place in the plan, not what this process drew before
        torch.manual_seed(_seed(config.seed, step, number))
        with mixed_precision(config, worker.device):
            out = worker.learner.loss(net, batch, progress)
        (out["loss"] / len(mine)).backward()  # type: ignore[no-untyped-call]
        for name, value in out.items():
            sums[name] = sums.get(name, torch.zeros((), device=worker.device)) + value.detach().float() / len(mine)
    _average_gradients(net, options.workers)
    nn.utils.clip_grad_norm_(net.parameters(), config.grad_clip)
    optimiser.step()
    return sums


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _average_gradients(net: nn.Module, workers: int) -> None:
    """Mean over ranks, as one vector, once a step."""
    if workers == 1:
        return
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= workers
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _mean_over_ranks(metrics: dict[str, Tensor], workers: int) -> dict[str, float]:
    names = sorted(metrics)
    values = torch.stack([metrics[name] for name in names])
    if workers > 1:
        dist.all_reduce(values)
        values /= workers
    return dict(zip(names, values.tolist(), strict=True))


def _require_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise MotionpipeError(f"the loss is {loss} at step {step}: lower the learning rate, or train in float32")


def _end_epoch(at: Position, held_out: dict[str, float], net: nn.Module, files: RunFiles, rank: int) -> None:
    """Go to the next epoch; where this one is the best on held-out clips, keep its weights."""
    if held_out.get("held_out_loss", math.inf) < at.best_loss:
        at.best_epoch, at.best_loss = at.epoch, held_out["held_out_loss"]
        if rank == 0:
            save_checkpoint(files.store, files.best_name(), {"model": net.state_dict(), "epoch": at.epoch})
    at.epoch, at.cursor = at.epoch + 1, 0


def _end_run(worker: Worker, files: RunFiles, net: nn.Module, optimiser: torch.optim.Optimizer, at: Position) -> None:
    """The last checkpoint: the weights that the run is known by."""
    kept = at.epoch - 1
    if worker.job.loop.patience is not None:
        net.load_state_dict(files.best()["model"])
        kept = at.best_epoch
    settle_batch_norm(worker, net, kept)
    files.save(at.step, _state(worker.job, net, optimiser, at))


def _state(job: TrainJob, net: nn.Module, optimiser: torch.optim.Optimizer, at: Position) -> dict[str, Any]:
    """What a checkpoint holds: tensors, numbers and strings."""
    return {
        "model": net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "position": dict(vars(at)),
        "step": at.step,
        "made_from": job.made_from,
    }
