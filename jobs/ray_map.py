"""Shards over Ray: paths go out, small reports come back, pixels never enter the object store.

A fixed set of actors takes one shard each at a time. An actor is replaced after some shards, so that what a decoder
leaks is given back. Ray restarts and retries nothing: what happens after a death is decided here, so it ends.

    a shard's worker dies at recording K ─► the shard again ─► dies at K again ─► K alone in a fresh process
        K outlives it ─► the shard again; a further death at K rejects it
        K dies        ─► rejected; the shard again without it
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..pipeline.ladder import ENDED, Ladder
from ..schemas.errors import MotionpipeError
from .fresh_process import run_alone, watch_memory
from .options import RunOptions
from .ray_session import ray_session

R = TypeVar("R")
MakeWorker = Callable[[], Callable[[int], R]]

_MOST_EARLY_DEATHS = 3
_RECYCLE_AFTER = 32
_START_S = 1800.0
_POLL_S = 1.0


def map_shards(
    make_worker: MakeWorker[R], shards: Sequence[int], options: RunOptions, ladder: Ladder | None = None
) -> Iterator[R]:
    """Results (small ones: reports) of `shards` as they finish.

    `make_worker` runs once in each worker and returns the work on one shard. An exception of the work ends the map with
    its own type. With a `ladder` the work is a ShardWork, and a recording whose worker dies is rejected at last;
    without one a shard whose worker dies three times ends the map.

    With workers = 0 all runs in this process, a death ends it, and the next call goes on: a recording at which two
    calls died runs alone in a process of its own first.
    """
    if not shards:
        return
    for shard in ladder.left_behind() if ladder else ():
        assert ladder is not None
        ladder.add_death(shard, ENDED)
    suspects = ladder.to_run_alone() if ladder else []
    if options.workers == 0:
        for shard, key in suspects:
            assert ladder is not None
            cause = run_alone(make_worker, shard, key, options)
            if cause:
                ladder.give_up(shard, key, cause)
        work = make_worker()
        yield from (work(shard) for shard in shards)
    else:
        with ray_session(options):
            yield from _ActorMap(make_worker, shards, suspects, options, ladder).results()


@dataclass
class _Task:
    """A shard, or one recording of it alone."""

    shard: int
    alone: str | None = None


@dataclass
class _Running:
    """A task on an actor that has done `done` shards before; `note` is the recording noted `since`."""

    task: _Task
    actor: Any
    done: int
    note: str | None = None
    since: float = field(default_factory=time.monotonic)
    cause: str | None = None


class _ActorMap(Generic[R]):
    """What stands before, and what runs on, a fixed number of actors."""

    def __init__(
        self,
        make_worker: MakeWorker[R],
        shards: Sequence[int],
        suspects: Sequence[tuple[int, str]],
        options: RunOptions,
        ladder: Ladder | None,
    ) -> None:
        self._make_worker, self._options, self._ladder = make_worker, options, ladder
        first = dict(suspects)
        self._pending = deque(_Task(shard, first.get(shard)) for shard in shards)
        self._running: dict[Any, _Running] = {}
        self._early_deaths = Counter[int]()
        self._passed_alone: set[tuple[int, str]] = set()

    def results(self) -> Iterator[R]:
        """Results as shards finish."""
        import ray
        from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError

        for _ in range(min(gpu_workers(self._options), len(self._pending))):
            self._start(self._new_actor(), 0)
        watched = time.monotonic()
        while self._running:
            ready, _ = ray.wait(list(self._running), num_returns=1, timeout=_POLL_S)
            if time.monotonic() - watched >= _POLL_S:
                self._kill_overdue()
                watched = time.monotonic()
            if not ready:
                continue
            job = self._running.pop(ready[0])
            try:
                result = ray.get(ready[0])
            except RayTaskError as error:
                raise error.cause from error
            except OutOfMemoryError:
                self._after_death(job, "the node ran out of memory, and Ray ended the worker that used most")
            except (RayActorError, WorkerCrashedError, NodeDiedError) as error:
                self._after_death(job, job.cause or _short(error))
            else:
                if job.task.alone is None:
                    yield result
                else:
                    self._after_alone(job.task.shard, job.task.alone, result)
                self._next(job)

    def _start(self, actor: Any, done: int) -> None:
        task = self._pending.popleft()
        call = actor.run.remote(task.shard) if task.alone is None else actor.alone.remote(task.shard, task.alone)
        self._running[call] = _Running(task, actor, done)

    def _next(self, job: _Running) -> None:
        """Give the actor of a finished job the next task, or a successor."""
        import ray

        if self._pending and job.done + 1 < _RECYCLE_AFTER:
            self._start(job.actor, job.done + 1)
        else:
            ray.kill(job.actor)
            if self._pending:
                self._start(self._new_actor(), 0)

    def _new_actor(self) -> Any:
        import ray

        gpus = self._options.gpus_per_worker
        actor = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(_ShardWorker)
        return actor.remote(self._make_worker, self._options, self._ladder)

    def _kill_overdue(self) -> None:
        """End workers whose recording passed its deadline; their jobs then come back as dead."""
        import ray

        now = time.monotonic()
        for job in self._running.values():
            current = self._ladder.current(job.task.shard) if self._ladder and not job.task.alone else None
            note = current[0] if current else None
            if note != job.note:
                job.note, job.since = note, now
            limit = self._options.deadline_s if note else max(_START_S, 2 * self._options.deadline_s)
            if now - job.since <= limit or job.cause:
                continue
            if note is None:
                what = "its cluster has no free CPU, or the shard cannot be read"
                raise MotionpipeError(f"shard {job.task.shard}: nothing began in {limit:.0f} s: {what}; run again")
            job.cause = f"passed its deadline of {limit:g} s"
            ray.kill(job.actor)

    def _after_death(self, job: _Running, cause: str) -> None:
        """Put the next step of the ladder before everything else, on a fresh actor."""
        shard, key = job.task.shard, job.task.alone
        if key is not None:
            self._after_alone(shard, key, cause)
        else:
            self._pending.appendleft(self._step(shard, cause))
        self._start(self._new_actor(), 0)

    def _after_alone(self, shard: int, key: str, cause: str | None) -> None:
        assert self._ladder is not None
        if cause:
            self._ladder.give_up(shard, key, cause)
        else:
            self._passed_alone.add((shard, key))
        self._pending.appendleft(_Task(shard))

    def _step(self, shard: int, cause: str) -> _Task:
        death = self._ladder.add_death(shard, cause) if self._ladder else None
        if death is None:
            self._early_deaths[shard] += 1
            if self._early_deaths[shard] == _MOST_EARLY_DEATHS:
                raise MotionpipeError(f"shard {shard}: its worker died {_MOST_EARLY_DEATHS} times; last: {cause}")
            return _Task(shard)
        assert self._ladder is not None
        key, runs_alone = death
        if (shard, key) in self._passed_alone:
            self._ladder.give_up(shard, key)
            runs_alone = False
        return _Task(shard, key if runs_alone else None)


def gpu_workers(options: RunOptions) -> int:
    """Workers that the cluster has GPUs for: `options.workers` or fewer; others would wait for a GPU for ever.

    Raises MotionpipeError where it has none for a single one.
    """
    import ray

    share = options.gpus_per_worker
    if not share:
        return options.workers
    total = float(ray.cluster_resources().get("GPU", 0))
    room = int(total * int(1 / share + 1e-9) if share < 1 else total / share)
    if not room:
        raise MotionpipeError(
            f"--gpus-per-worker {share:g}: the Ray cluster has {total:g} GPUs; without the option the CPU computes"
        )
    return min(options.workers, room)


def _short(error: Exception) -> str:
    """Ray's account of a death without its list of guesses."""
    told = " ".join(str(error).split("There are some potential root causes")[0].split())
    reason = told.partition("Worker exit detail: ")[2] or told.partition("death cause: ")[2] or told
    return f"its process was killed or crashed ({reason[:160].strip()})"


class _ShardWorker(Generic[R]):
    """The work, made once and kept for every shard that this actor gets."""

    def __init__(self, make_worker: MakeWorker[R], options: RunOptions, ladder: Ladder | None) -> None:
        self._make_worker, self._options, self._ladder = make_worker, options, ladder
        self._work: Callable[[int], R] | None = None
        self._shard = -1

    def run(self, shard: int) -> R:
        """Do one shard."""
        self._shard = shard
        if self._work is None:
            self._work = self._make_worker()
            watch_memory(self._options.memory_mb, self._say_why)
        return self._work(shard)

    def alone(self, shard: int, key: str) -> str | None:
        """Why the process of one recording died; None where it outlived it."""
        return run_alone(self._make_worker, shard, key, self._options)

    def _say_why(self, cause: str) -> None:
        current = self._ladder.current(self._shard) if self._ladder else None
        if self._ladder and current:
            self._ladder.note(self._shard, current[0], cause)
