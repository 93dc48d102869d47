"""The loss on held-out clips of the training split, after each epoch: what a run may be stopped by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import nn

from ..pipeline.clip_plan import plan_held_out
from ..pipeline.read_ahead import read_ahead
from .learners import mixed_precision

if TYPE_CHECKING:
    from .train_loop import Worker


def held_out_figures(worker: Worker, net: nn.Module) -> dict[str, float]:
    """Means over the held-out clips, named held_out_*, in every rank; nothing where none are held out.

    The loss is that of the run's end in every epoch: a temperature that falls would lower it by itself.

    Batch norm takes the statistics of each micro-batch, as in training, and its own stay as they are: the figures
    compare with those of training and do not depend on the number of workers. The network is left in evaluation mode.
    """
    job, learner, options = worker.job, worker.learner, worker.options
    plan = plan_held_out(worker.samples.held_out, job.loop, learner.starts(job))
    mine = plan[options.rank :: options.workers]
    read = partial(learner.read, job, worker.clips, worker.samples.held_out)
    figures: list[dict[str, float]] = []
    with torch.no_grad(), _statistics_of_the_batch(net), read_ahead(read, mine, options.readers) as batches:
        for _ in mine:
            with mixed_precision(job.loop, worker.device):
                out = learner.loss(net, batches.take().to(worker.device), 1.0)
            figures.append({name: value.item() for name, value in out.items()})
    rows = _gathered(figures, len(plan), options.workers)
    clips = [len(refs) for refs in plan]
    return {
        f"held_out_{name}": sum(count * row[name] for count, row in zip(clips, rows, strict=True)) / sum(clips)
        for name in (rows[0] if rows else ())
    }


@contextmanager
def _statistics_of_the_batch(net: nn.Module) -> Iterator[None]:
    """Evaluation mode, except that batch norm of maps normalises with what it sees and keeps nothing of it.

    That of a frozen encoder does not do so in training either; that of vectors would see just one in a batch of one.
    """
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) and m.training]
    net.eval()
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    yield
    for norm in norms:
        norm.track_running_stats = True


def _gathered(mine: list[dict[str, float]], count: int, workers: int) -> list[dict[str, float]]:
    """The rows of all ranks in the order of the plan, so that sums do not depend on who made them."""
    by_rank = [mine]
    if workers > 1:
        by_rank = [[] for _ in range(workers)]
        dist.all_gather_object(by_rank, mine)
    return [by_rank[number % workers][number // workers] for number in range(count)]
