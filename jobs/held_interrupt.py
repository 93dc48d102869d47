"""Ctrl-C as a question: work that can stop cleanly asks whether it came, and is not torn apart in the middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def held_interrupt() -> Iterator[threading.Event]:
    """The event that the first Ctrl-C sets; the second interrupts at once, as always. For the main thread."""
    asked, before = threading.Event(), signal.getsignal(signal.SIGINT)

    def hold(*_: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hold)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
