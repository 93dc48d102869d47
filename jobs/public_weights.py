"""A file of public weights that a run begins from: what its identity and its job say of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any


def weights_stated(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the identity's data, which name the file by its hash, and of the job; none where there is no file."""
    if path is None:
        return {}, {}
    return {"weights": hashlib.sha256(path.read_bytes()).hexdigest()}, {"weights": str(path.resolve())}
