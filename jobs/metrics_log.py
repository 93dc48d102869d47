"""metrics.jsonl: one line a logged step of a run."""

from __future__ import annotations

import json
from typing import Any

from ..pipeline.store import Store


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
