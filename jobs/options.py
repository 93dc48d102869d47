"""Options of a run that change its speed, never its bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """workers: Ray workers, 0 = in this process without Ray. address: a Ray cluster; None = start a local one."""

    workers: int = 2
    address: str | None = None
    max_reject_rate: float = 0.0
