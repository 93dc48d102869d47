"""metrics.jsonl: one line a logged step of a run."""

from __future__ import annotations

import json
import time
from typing import Any

from ..pipeline.store import Store
from .run_files import RunFiles


class MetricsLog:
    """metrics.jsonl and TensorBoard events of a run, written by rank 0.

    What was logged after `step`, where the run goes on from, is forgotten.
    """

    def __init__(self, files: RunFiles, step: int, batch: int, events: bool) -> None:
        cut_metrics(files.store, files.folder, step)
        self._files, self._batch = files, batch
        self._events = _event_writer(files, step) if events else None
        self._since, self._step, self._wait_s = time.perf_counter(), step, 0.0

    def row(self, step: int, epoch: int, metrics: dict[str, float], rate: float, wait_s: float) -> None:
        """Log a step; `wait_s`: seconds since the start that were spent waiting for data."""
        now = time.perf_counter()
        passed = max(now - self._since, 1e-9)
        row = {"step": step, "epoch": epoch, **{name: round(value, 6) for name, value in metrics.items()}}
        row |= {
            "learning_rate": rate,
            "clips_per_s": round((step - self._step) * self._batch / passed, 3),
            "data_wait": round(min(1.0, (wait_s - self._wait_s) / passed), 4),
        }
        self._since, self._step, self._wait_s = now, step, wait_s
        append_metrics(self._files.store, self._files.folder, row)
        if self._events:
            for name, value in row.items():
                if name != "step":
                    self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """End the file of events."""
        if self._events:
            self._events.close()


def _event_writer(files: RunFiles, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(files.store.local_path(f"{files.folder}/tensorboard")), purge_step=step + 1)


def read_metrics(store: Store, folder: str) -> list[dict[str, Any]]:
    """The logged rows of the run in `folder`; a line that is being written is not one yet."""
    name = _name(folder)
    if not store.exists(name):
        return []
    return [json.loads(line) for line in store.read_bytes(name).decode().rpartition("\n")[0].splitlines()]


def append_metrics(store: Store, folder: str, row: dict[str, Any]) -> None:
    """Log one row."""
    store.append(_name(folder), (json.dumps(row) + "\n").encode())


def cut_metrics(store: Store, folder: str, step: int) -> None:
    """Forget what was logged after `step`, so that a resumed run logs each step once."""
    rows = [row for row in read_metrics(store, folder) if row["step"] <= step]
    store.write_bytes(_name(folder), "".join(json.dumps(row) + "\n" for row in rows).encode())


def _name(folder: str) -> str:
    return f"{folder}/metrics.jsonl"
