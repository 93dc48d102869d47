"""The files of a run: checkpoints that appear whole, and metrics that follow them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import torch

from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError

_KEPT = 2


@dataclass(frozen=True)
class RunFiles:
    """Names below STORE/runs/RUN."""

    store: Store
    name: str

    @property
    def folder(self) -> str:
        """Folder of the run."""
        return f"runs/{self.name}"

    def checkpoints(self) -> list[str]:
        """Names of the whole checkpoints, oldest first."""
        names = self.store.list(f"{self.folder}/checkpoints")
        return [f"{self.folder}/checkpoints/{name}" for name in names if name.startswith("step-")]

    def latest(self) -> dict[str, Any] | None:
        """The newest checkpoint, if there is one."""
        names = self.checkpoints()
        return load_checkpoint(self.store, names[-1]) if names else None

    def initial(self) -> str:
        """Name of the checkpoint of the untrained weights."""
        return f"{self.folder}/checkpoints/init.pt"

    def best_name(self) -> str:
        """Name of the checkpoint of the epoch with the lowest held-out loss."""
        return f"{self.folder}/checkpoints/best.pt"

    def best(self) -> dict[str, Any]:
        """That checkpoint."""
        return load_checkpoint(self.store, self.best_name())

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint, then remove all but the newest two."""
        save_checkpoint(self.store, f"{self.folder}/checkpoints/step-{step:08d}.pt", state)
        for old in self.checkpoints()[:-_KEPT]:
            self.store.remove(old)

    def latest_step(self) -> int:
        """Steps that the newest checkpoint has behind it."""
        names = self.checkpoints()
        return int(names[-1].rsplit("-", 1)[-1].removesuffix(".pt")) if names else 0


def save_checkpoint(store: Store, name: str, state: dict[str, Any]) -> None:
    """Tensors, numbers and strings only, so that it loads with weights_only=True."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    store.write_bytes(name, buffer.getvalue())


def load_checkpoint(store: Store, name: str) -> dict[str, Any]:
    """A checkpoint on the CPU; one clear error where it is absent."""
    if not store.exists(name):
        raise MotionpipeError(f"{name} does not exist in {store.uri}; run: motionpipe train-cluster --name …")
    state: dict[str, Any] = torch.load(io.BytesIO(store.read_bytes(name)), map_location="cpu", weights_only=True)
    return state
