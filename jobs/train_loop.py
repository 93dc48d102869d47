"""The training loop: plain torch, one readable function, with or without Ray around it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..models import atomic_flow
from ..pipeline.batches_atomic_flow import build_batch
from ..pipeline.clip_plan import TrainSample, plan_epoch
from ..pipeline.store import Store
from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import TrainSection
from .metrics_log import append_metrics, cut_metrics
from .run_files import RunFiles, save_checkpoint

LOG_EVERY = 10
_SETTLE_OVER = 32


@dataclass(frozen=True)
class TrainJob:
    """Everything that a worker needs to train, small enough to send to it."""

    store: Store
    run: str
    flow_folder: str
    cell: int
    samples: tuple[TrainSample, ...]
    codebook: Codebook
    codebook_sha256: str
    config: TrainSection


@dataclass
class Position:
    """Where a run stands: `cursor` steps of `epoch` are done, `step` in all."""

    epoch: int = 0
    cursor: int = 0
    step: int = 0


def train(job: TrainJob, rank: int, workers: int, device: torch.device) -> None:
    """Train from the newest checkpoint, or from the start, to the last epoch.

    Every rank calls this; with workers > 1 torch.distributed is initialised. Ranks share out the micro-batches of a
    step, so the order of clips and what each is normalised with are the same for any number of workers.
    """
    config, files = job.config, RunFiles(job.store, job.run)
    require_even_share(config, workers)
    torch.set_num_threads(1 if device.type == "cpu" else torch.get_num_threads())
    net, optimiser, at = _restore(job, files, rank, device)
    parallel: nn.Module = DistributedDataParallel(net) if workers > 1 else net
    log = _Log(files, at.step) if rank == 0 else None
    last_step = len(plan_epoch(job.samples, 0, config)) * config.epochs
    while at.epoch < config.epochs:
        plan = plan_epoch(job.samples, at.epoch, config)
        for micro_batches in plan[at.cursor :]:
            set_learning_rate(optimiser, config, at.step / last_step)
            mine = micro_batches[rank::workers]
            metrics, wait_s = _step(parallel, optimiser, job, mine, device, at.step / last_step)
            at.cursor, at.step = at.cursor + 1, at.step + 1
            if at.step % LOG_EVERY == 0 or at.step in (1, last_step):
                averaged = _mean_over_ranks(metrics, workers)
                if log:
                    log.row(at, averaged, wait_s, optimiser.param_groups[0]["lr"], config.global_batch)
            if rank == 0 and at.step % config.checkpoint_every == 0:
                files.save(at.step, _state(job, net, optimiser, at))
        at.epoch, at.cursor = at.epoch + 1, 0
    if log:
        settle_batch_norm(net, job, device)
        files.save(at.step, _state(job, net, optimiser, at))
        log.close()
    if workers > 1:
        dist.barrier()


def require_even_share(config: TrainSection, workers: int) -> None:
    """Raise where the micro-batches of a step cannot be shared out evenly."""
    micro_batches = config.global_batch // config.micro_batch
    if micro_batches % max(workers, 1):
        fitting = [number for number in range(1, micro_batches + 1) if micro_batches % number == 0]
        raise MotionpipeError(
            f"{micro_batches} micro-batches a step (train.global_batch / train.micro_batch) cannot be shared by "
            f"{workers} workers; choose --workers {' or '.join(map(str, [0, *fitting]))}"
        )


def set_learning_rate(optimiser: torch.optim.Optimizer, config: TrainSection, progress: float) -> None:
    """Tenfold lower after each milestone of the run that is passed."""
    passed = sum(progress >= milestone for milestone in config.milestones)
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * 0.1**passed


@torch.no_grad()
def settle_batch_norm(net: nn.Module, job: TrainJob, device: torch.device) -> None:
    """Take the running statistics anew, as plain means over the first micro-batches of the plan.

    What the loop gathered on the way is of one rank's micro-batches; this is the same for any number of workers.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    micro_batches = [refs for step in plan_epoch(job.samples, 0, job.config) for refs in step]
    for refs in micro_batches[:_SETTLE_OVER]:
        batch = build_batch(job.store, job.flow_folder, job.cell, job.samples, refs, job.config).to(device)
        net(batch.frames, batch.flow.shape[1])


def _restore(
    job: TrainJob, files: RunFiles, rank: int, device: torch.device
) -> tuple[atomic_flow.AtomicFlowNet, torch.optim.Optimizer, Position]:
    torch.manual_seed(job.config.seed)
    net = atomic_flow.build(job.config, job.codebook).to(device)
    groups = atomic_flow.parameter_groups(net, job.config.weight_decay)
    optimiser = torch.optim.Adam(groups, lr=job.config.learning_rate)
    state = files.latest()
    if state is None:
        if rank == 0:
            initial = {"model": net.state_dict(), "step": 0, "codebook_sha256": job.codebook_sha256}
            save_checkpoint(files.store, files.initial(), initial)
        return net, optimiser, Position()
    if state["codebook_sha256"] != job.codebook_sha256:
        raise MotionpipeError(f"{files.folder} was trained with another codebook; use another --name")
    net.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return net, optimiser, Position(state["epoch"], state["cursor"], state["step"])


def _step(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    job: TrainJob,
    micro_batches: Sequence[Any],
    device: torch.device,
    progress: float,
) -> tuple[dict[str, Tensor], float]:
    """One optimiser step over this rank's micro-batches; the mean of their metrics and the seconds spent reading."""
    optimiser.zero_grad(set_to_none=True)
    sums: dict[str, Tensor] = {}
    wait_s = 0.0
    for number, refs in enumerate(micro_batches):
        began = time.perf_counter()
        batch = build_batch(job.store, job.flow_folder, job.cell, job.samples, refs, job.config).to(device)
        wait_s += time.perf_counter() - began
        if isinstance(net, DistributedDataParallel):
            # gradients are summed over ranks once, with the last micro-batch
            net.require_backward_grad_sync = number == len(micro_batches) - 1
        out = atomic_flow.loss(net, batch, progress)  # type: ignore[arg-type]
        (out["loss"] / len(micro_batches)).backward()  # type: ignore[no-untyped-call]
        for name, value in out.items():
            sums[name] = sums.get(name, torch.zeros((), device=device)) + value.detach() / len(micro_batches)
    nn.utils.clip_grad_norm_(net.parameters(), job.config.grad_clip)
    optimiser.step()
    return sums, wait_s


def _mean_over_ranks(metrics: dict[str, Tensor], workers: int) -> dict[str, float]:
    names = sorted(metrics)
    values = torch.stack([metrics[name] for name in names])
    if workers > 1:
        dist.all_reduce(values)
        values /= workers
    return dict(zip(names, values.tolist(), strict=True))


def _state(job: TrainJob, net: nn.Module, optimiser: torch.optim.Optimizer, at: Position) -> dict[str, Any]:
    return {
        "model": net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "epoch": at.epoch,
        "cursor": at.cursor,
        "step": at.step,
        "codebook_sha256": job.codebook_sha256,
    }


class _Log:
    """metrics.jsonl and TensorBoard events, written by rank 0."""

    def __init__(self, files: RunFiles, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        cut_metrics(files.store, files.folder, step)
        self._files = files
        folder = str(files.store.local_path(f"{files.folder}/tensorboard"))
        self._events: Any = SummaryWriter(folder, purge_step=step + 1)
        self._since, self._steps, self._wait_s = time.perf_counter(), step, 0.0

    def row(self, at: Position, metrics: dict[str, float], wait_s: float, rate: float, batch: int) -> None:
        now = time.perf_counter()
        clips_per_s = (at.step - self._steps) * batch / max(now - self._since, 1e-9)
        self._since, self._steps = now, at.step
        row = {"step": at.step, "epoch": at.epoch, **{k: round(v, 6) for k, v in metrics.items()}}
        row |= {"learning_rate": rate, "clips_per_s": round(clips_per_s, 3), "data_wait_s": round(wait_s, 4)}
        append_metrics(self._files.store, self._files.folder, row)
        for name, value in row.items():
            if name != "step":
                self._events.add_scalar(name, value, at.step)

    def close(self) -> None:
        self._events.close()
