"""Shards over Ray: paths go out, small reports come back, pixels never enter the object store.

A fixed set of actors takes one shard each at a time. An actor that dies is replaced and its shard tried again; an
actor is also replaced after some shards, so that what a decoder leaks is given back.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..schemas.errors import MotionpipeError
from .options import RunOptions
from .ray_session import ray_session

R = TypeVar("R")
MakeWorker = Callable[[], Callable[[int], R]]

_MOST_DEATHS = 3
_RECYCLE_AFTER = 32
_DEADLINE_S = 3600.0


def map_shards(make_worker: MakeWorker[R], shards: Sequence[int], options: RunOptions) -> Iterator[R]:
    """Results (small ones: reports) of `shards` as they finish.

    `make_worker` runs once in each worker and returns the work on one shard.

    An exception of the work ends the map with its own type. With workers = 0 all runs in this process.
    """
    if options.workers == 0:
        work = make_worker()
        yield from (work(shard) for shard in shards)
    elif shards:
        with ray_session(options):
            yield from _map_over_actors(make_worker, shards, options.workers)


def _map_over_actors(make_worker: MakeWorker[R], shards: Sequence[int], workers: int) -> Iterator[R]:
    import ray

    pending, deaths = deque(shards), Counter[int]()
    running: dict[Any, tuple[int, Any, int]] = {}

    def start(actor: Any, done: int) -> None:
        shard = pending.popleft()
        running[actor.run.remote(shard)] = (shard, actor, done)

    for _ in range(min(workers, len(shards))):
        start(_new_actor(make_worker), 0)
    while running:
        ready, _ = ray.wait(list(running), num_returns=1, timeout=_DEADLINE_S)
        if not ready:
            stuck = sorted(shard for shard, _, _ in running.values())
            raise MotionpipeError(
                f"no shard finished in {_DEADLINE_S:.0f} s; still working on {stuck}; run again to resume"
            )
        shard, actor, done = running.pop(ready[0])
        try:
            result: R = ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayActorError as error:
            deaths[shard] += 1
            if deaths[shard] == _MOST_DEATHS:
                raise MotionpipeError(f"shard {shard}: its worker died {_MOST_DEATHS} times; last: {error}") from error
            pending.append(shard)
            start(_new_actor(make_worker), 0)
            continue
        yield result
        if pending and done + 1 < _RECYCLE_AFTER:
            start(actor, done + 1)
        else:
            ray.kill(actor)
            if pending:
                start(_new_actor(make_worker), 0)


def _new_actor(make_worker: MakeWorker[R]) -> Any:
    import ray

    # no restarts or retries by Ray: a death is counted here, so it cannot go on for ever
    return ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_ShardWorker).remote(make_worker)


class _ShardWorker(Generic[R]):
    """The work, made once and kept for every shard that this actor gets."""

    def __init__(self, make_worker: MakeWorker[R]) -> None:
        self._work = make_worker()

    def run(self, shard: int) -> R:
        """Do one shard."""
        return self._work(shard)
