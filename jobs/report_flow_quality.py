"""What `evaluate --on flow` left for the report: figures of each method, and flow beside each other."""

from __future__ import annotations

import json
from typing import Any

from ..pipeline.store import Store
from .evaluate_flow import FOLDER
from .report_samples import Image, inlined_png


def flow_qualities(store: Store) -> list[tuple[dict[str, Any], Image]]:
    """The record and the picture of each run and protocol."""
    names = [name.removesuffix(".json") for name in store.list(FOLDER) if name.endswith(".json")]
    return [
        (json.loads(store.read_bytes(f"{FOLDER}/{name}.json")), inlined_png(store.read_bytes(f"{FOLDER}/{name}.png")))
        for name in names
        if store.exists(f"{FOLDER}/{name}.png")
    ]
