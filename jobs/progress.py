"""One progress line a stage, with rate and time left; plain lines where the output is no terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_PLAIN_EVERY_S = 15.0


class Progress:
    """Counts units done of `total` and shows them on stderr."""

    def __init__(self, title: str, total: int, unit: str, stream: TextIO | None = None) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._stream = stream or sys.stderr
        self._start = self._shown = time.monotonic()
        self._done = 0

    def add(self, count: int, note: str = "") -> None:
        """Say that `count` more units are done."""
        self._done += count
        now = time.monotonic()
        if self._stream.isatty():
            self._stream.write(f"\r\033[K{self._line(now)} {note}")
            self._stream.flush()
        elif now - self._shown >= _PLAIN_EVERY_S:
            self._shown = now
            print(f"{self._line(now)} {note}".rstrip(), file=self._stream, flush=True)

    def close(self) -> float:
        """End the line; returns the seconds since the start."""
        now = time.monotonic()
        if self._stream.isatty():
            self._stream.write("\r\033[K")
        return now - self._start

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._start, 1e-6)
        left = (self._total - self._done) / rate if rate else float("inf")
        eta = f"{left // 60:.0f}:{left % 60:02.0f} left" if left < 86_400 else "more than a day left"
        return f"{self._title}: {self._done}/{self._total} {self._unit}, {rate:.1f}/s, {eta}"
