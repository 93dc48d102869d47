"""One recording in a process of its own, and the limits of a worker's memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from ..pipeline.write_shard import ShardWork
from ..schemas.errors import MotionpipeError
from .options import RunOptions

_OVER_MEMORY = 86  # exit code of a process that ended itself for its memory
_ORPHANED = 87
_LOOK_EVERY_S = 0.1


def run_alone(make_worker: Callable[[], Any], shard: int, key: str, options: RunOptions) -> str | None:
    """Build one recording in a fresh process; why that process died, or None where it ended by itself.

    An exception is no death: the shard meets it again, and there it ends the job with its own type.
    """
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    words = (make_worker, shard, key, options.memory_mb, os.getpid(), begun)
    child = context.Process(target=_alone, args=words, daemon=True)
    child.start()
    while child.is_alive() and not begun.wait(0.2):  # its imports are not the recording's time
        pass
    child.join(options.deadline_s)
    if child.is_alive():
        child.kill()
        child.join()
        return f"passed its deadline of {options.deadline_s:g} s"
    assert child.exitcode is not None
    if child.exitcode == _OVER_MEMORY:
        return f"held more than the {options.memory_mb} MB of --memory"
    if child.exitcode < 0:
        return f"killed by {signal.Signals(-child.exitcode).name}{_guess(-child.exitcode)}"
    return None


def _guess(number: int) -> str:
    return " (the kernel's, where memory runs out)" if number == signal.SIGKILL else ""


def _alone(
    make_worker: Callable[[], Any], shard: int, key: str, memory_mb: int | None, parent: int, begun: Event
) -> None:
    threading.Thread(target=partial(_end_with, parent), daemon=True).start()
    work = make_worker()
    assert isinstance(work, ShardWork)
    watch_memory(memory_mb, lambda _: None)
    begun.set()
    work.alone(shard, key)


def _end_with(parent: int) -> None:
    """A child must not outlive a killed parent."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(_ORPHANED)


def watch_memory(limit_mb: int | None, say_why: Callable[[str], None]) -> None:
    """From now on end this process when it holds more than `limit_mb`, after saying why.

    The process watches itself, so that it works the same on a laptop and on any node of a cluster. What grows past the
    machine's memory within a tenth of a second is left to the kernel and to Ray's memory monitor.
    """
    if limit_mb is None:
        return
    held = resident_mb()
    if held > 0.9 * limit_mb:
        raise MotionpipeError(f"--memory {limit_mb} MB is too little: a worker holds {held:.0f} MB before it begins")
    threading.Thread(target=partial(_watch, limit_mb, say_why), daemon=True).start()


def _watch(limit_mb: int, say_why: Callable[[str], None]) -> None:
    while (held := resident_mb()) <= limit_mb:
        time.sleep(_LOOK_EVERY_S)
    say_why(f"held {held:.0f} MB, more than the {limit_mb} MB of --memory")
    os._exit(_OVER_MEMORY)


def resident_mb() -> float:
    """Memory that this process holds [MB]; where the system does not tell, the most that it has held."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
