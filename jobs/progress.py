"""One progress line a stage, with rate and time left; plain lines where the output is no terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_PLAIN_EVERY_S = 15.0


class Progress:
    """Counts units done of `total` and shows them on stderr, with their rate or that of `counted` things in them."""

    def __init__(
        self, title: str, total: int, unit: str, stream: TextIO | None = None, counted: str | None = None
    ) -> None:
        self._title, self._total, self._unit, self._counted = title, total, unit, counted
        self._stream = stream or sys.stderr
        self._start = self._shown = time.monotonic()
        self._done = self._things = 0

    def add(self, count: int, note: str = "", things: int = 0) -> None:
        """Say that `count` more units are done, with so many `things` in them."""
        self._done += count
        self._things += things
        now = time.monotonic()
        if self._stream.isatty():
            self._stream.write(f"\r\033[K{self._line(now)}{note and f', {note}'}")
            self._stream.flush()
        elif now - self._shown >= _PLAIN_EVERY_S:
            self._shown = now
            print(f"{self._line(now)}{note and f', {note}'}", file=self._stream, flush=True)

    def close(self) -> float:
        """End the line; returns the seconds since the start."""
        now = time.monotonic()
        if self._stream.isatty():
            self._stream.write("\r\033[K")
        return now - self._start

    def _line(self, now: float) -> str:
        seconds = max(now - self._start, 1e-6)
        rate = self._done / seconds
        shown = f"{self._things / seconds:.1f} {self._counted}/s" if self._counted else f"{_figure(rate)}/s"
        left = (self._total - self._done) / rate if rate else float("inf")
        eta = f"{round(left) // 60}:{round(left) % 60:02} left" if left < 86_400 else "more than a day left"
        return f"{self._title}: {self._done}/{self._total} {self._unit}, {shown}, {eta}"


def _figure(rate: float) -> str:
    """One decimal, or two digits of a rate that would show as nothing."""
    return f"{rate:.1f}" if rate >= 0.1 else f"{rate:.2g}"
