"""A training step recorded once as a CUDA graph and replayed: the thousands of small kernels of an LSTM, one launch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_EAGER_STEPS = 3

Step = Callable[[Tensor], dict[str, Tensor]]


class GraphedStep:
    """Calls `step` on batches of one shape: the first three times as it is, then by replaying what the fourth did.

    `step` must not wait for the device, nor take numbers from the host that change: its optimiser is capturable and its
    step size a tensor. Scalars are overwritten by the next call.
    """

    def __init__(self, step: Step) -> None:
        self._step, self._calls = step, 0
        self._graph = torch.cuda.CUDAGraph()
        self._batch: Tensor | None = None
        self._scalars: dict[str, Tensor] = {}

    def __call__(self, frames: Tensor) -> dict[str, Tensor]:
        """One step on `frames`."""
        self._calls += 1
        if self._calls <= _EAGER_STEPS:
            return self._on_the_side(frames)
        if self._batch is None:
            self._batch = frames.clone()
            with torch.cuda.graph(self._graph):
                self._scalars = self._step(self._batch)
        self._batch.copy_(frames)
        self._graph.replay()
        return self._scalars

    def _on_the_side(self, frames: Tensor) -> dict[str, Tensor]:
        """On a stream of its own, as capturing asks of the steps before it."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            scalars = self._step(frames)
        torch.cuda.current_stream().wait_stream(stream)
        return scalars
