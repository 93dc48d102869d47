"""Work that is prepared ahead of its use, in threads, and handed over in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2  # items of each thread that may lie ready


class ReadAhead(Generic[R]):
    """Results in the order of their items; `wait_s` sums the seconds for which the caller stood waiting."""

    def __init__(self, results: Iterator[R]) -> None:
        self._results = results
        self.wait_s = 0.0

    def take(self) -> R:
        """The next result; what the work raised is raised here, at its item's turn."""
        began = time.perf_counter()
        try:
            return next(self._results)
        finally:
            self.wait_s += time.perf_counter() - began


@contextmanager
def read_ahead(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[ReadAhead[R]]:
    """Do `work` on the items in `threads` threads (0: in the caller's own, when asked for).

    The order of the results does not depend on the threads, and at most `AHEAD` times as many as threads lie ready.
    Leaving the block waits for the items in work and drops the rest.
    """
    if threads == 0:
        yield ReadAhead(map(work, items))
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read-ahead")
    try:
        yield ReadAhead(_in_order(pool, work, items, threads * AHEAD))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
