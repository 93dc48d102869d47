"""Options of a run that change its speed, never its bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """workers: Ray workers, 0 = in this process without Ray. address: a Ray cluster; None = start a local one.

    gpus_per_worker: GPUs, or the part of one, that each worker has for itself; 0 = it computes on the CPU.
    deadline_s: longest time on one recording before its worker is ended. memory_mb: most memory of one worker; None =
    no limit of ours.
    """

    workers: int = 2
    address: str | None = None
    max_reject_rate: float = 0.0
    deadline_s: float = 3600.0
    memory_mb: int | None = None
    gpus_per_worker: float = 0.0

    @property
    def device(self) -> str:
        """ "cuda" or "cpu": where a worker computes."""
        return "cuda" if self.gpus_per_worker else "cpu"
