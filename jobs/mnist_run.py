"""One LSTM trained on Moving MNIST made on the fly, for so many minutes or steps; it goes on from its checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ..models import lstm
from ..models.weight_groups import weight_groups
from ..pipeline.batches_lstm import DigitBatches
from ..pipeline.moving_mnist import SIDE
from ..pipeline.read_ahead import read_ahead
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from .cuda_graph import GraphedStep, Step
from .held_interrupt import held_interrupt
from .metrics_log import append_metrics, cut_metrics, read_metrics
from .optimisers import make_optimiser
from .run_files import load_checkpoint, save_checkpoint

DEFAULTS: dict[str, Any] = {
    "hidden": 2048,
    "layers": 2,
    "peephole": True,
    "start": "orthogonal",
    "input_frames": 10,
    "future_frames": 10,
    "truth_share": 1.0,
    "truth_share_end": 1.0,
    "truth_share_until": 1.0,
    "output": "bernoulli",
    "batch": 80,
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "warmup": 0.02,
    "grad_clip": 1.0,
    "precision": "bf16",
    "seed": 0,
}
"""Sizes of the paper; a modern optimiser whose rate rises over `warmup` and falls along half a cosine."""
LOG_EVERY = 50
SAVE_EVERY_S = 480.0
TEST_EVERY_S = 180.0

Validate = Callable[[lstm.LSTMNet], dict[str, Any]]


@dataclass(frozen=True)
class MnistRun:
    """A run in the folder `name` of a store; either minutes or steps says when it ends.

    graph: replay the step as a CUDA graph. readers: threads that make sequences ahead; with a graph they are made here
    while the device works. pause_after_s: seconds after which the command saves and ends, to be given again.
    """

    store: Store
    name: str
    settings: dict[str, Any]
    minutes: float | None
    steps: int | None
    readers: int = 1
    graph: bool = False
    pause_after_s: float = math.inf

    def part_done(self, at: Position) -> float:
        """How much of the run is behind it, 1 at its end."""
        return min(1.0, at.step / self.steps if self.steps else at.seconds / (60 * (self.minutes or 1e-9)))

    @property
    def checkpoint(self) -> str:
        """Name of its checkpoint."""
        return f"{self.name}/checkpoint.pt"


class Paused(Exception):  # noqa: N818  # nothing is wrong
    """The run stands at a checkpoint and waits for the same command."""


@dataclass
class Position:
    """Steps and seconds of training that lie behind."""

    step: int = 0
    seconds: float = 0.0


def train_run(
    run: MnistRun, digits: DigitBatches, device: torch.device, validate: Validate
) -> tuple[lstm.LSTMNet, dict[str, Any]]:
    """Train to the end of the budget, from wherever the run stands; the network, and what the training was."""
    started = time.monotonic()
    torch.set_num_threads(1)
    training = _Training(run, device)
    at, batch = training.at, training.settings.batch
    begun, last_save, last_test = at.step, at.seconds, at.seconds
    cut_metrics(run.store, run.name, at.step)
    spans = ((start * batch, (start + 1) * batch) for start in _count_from(at.step))
    reading = read_ahead(lambda span: digits.batch(*span), spans, 0 if run.graph else run.readers)
    with reading as batches, held_interrupt() as interrupted:
        while run.part_done(at) < 1:
            row = training.advance(batches.take, logged=at.step == begun or (at.step + 1) % LOG_EVERY == 0)
            if row:
                row["data_wait_s"] = round(batches.wait_s, 2)
                if at.seconds - last_test > TEST_EVERY_S:
                    row["test"] = {name: score["loss"] for name, score in validate(training.net).items()}
                    training.net.train()
                    last_test = at.seconds
                append_metrics(run.store, run.name, row)
            paused = interrupted.is_set() or time.monotonic() - started > run.pause_after_s
            if paused or at.seconds - last_save > SAVE_EVERY_S:
                training.save()
                last_save = at.seconds
            if interrupted.is_set():
                raise KeyboardInterrupt
            if paused:
                raise Paused(f"{run.name}: {run.part_done(at):.0%} done, {at.step} steps")
    training.require_finite()
    if at.step > begun:
        training.save()
    _draw_curve(run)
    return training.net, training.summary()


class _Training:
    """A run while it learns: its network, its optimiser and where it stands."""

    def __init__(self, run: MnistRun, device: torch.device) -> None:
        self.run, self.device = run, device
        self.settings = settings = SimpleNamespace(**run.settings)
        torch.manual_seed(settings.seed)
        # a namespace has a section's fields without pydantic
        self.net = lstm.build(settings, SIDE * SIDE).to(device)  # type: ignore[arg-type]
        groups = weight_groups(self.net, settings.weight_decay)
        self.optimiser = make_optimiser(settings.optimiser, groups, settings.weight_decay, capturable=run.graph)
        self.at = _restore(run, self.net, self.optimiser)
        self.progress = torch.zeros((), device=device)
        self.step: Step = partial(_step, self.net, self.optimiser, settings, self.progress)
        if not run.graph:
            _make_plain(self.optimiser)
        else:
            _make_recordable(self.optimiser, device)
            self.step = GraphedStep(self.step)

    def advance(self, take: Callable[[], lstm.SequenceBatch], logged: bool) -> dict[str, Any]:
        """One step; its scalars where they are logged, for reading them waits for the device."""
        began, settings, at = time.perf_counter(), self.settings, self.at
        part = self.run.part_done(at)
        _set_rate(self.optimiser, settings.learning_rate * rate_factor(settings.warmup, part))
        self.progress.fill_(part)
        if min(settings.truth_share, settings.truth_share_end) < 1:
            torch.manual_seed(_seed(settings.seed, at.step))
        scalars = self.step(take().frames.to(self.device))
        row: dict[str, Any] = {name: round(value.item(), 3) for name, value in scalars.items()} if logged else {}
        at.step += 1
        at.seconds += time.perf_counter() - began
        if not row:
            return row
        if not math.isfinite(row["loss"]):
            raise MotionpipeError(f"{self.run.name}: the loss is {row['loss']} at step {at.step}: lower learning_rate")
        return row | {"step": at.step, "seconds": round(at.seconds, 2)}

    def require_finite(self) -> None:
        """Raise where the weights have diverged since the last figures that were read."""
        if not all(weight.isfinite().all() for weight in self.net.parameters()):
            raise MotionpipeError(f"{self.run.name}: weights are no numbers any more: lower learning_rate")

    def save(self) -> None:
        """Write the checkpoint from which the same command goes on."""
        state = {
            "model": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "position": dict(vars(self.at)),
            "made_from": _made_from(self.run),
        }
        save_checkpoint(self.run.store, self.run.checkpoint, state)

    def summary(self) -> dict[str, Any]:
        """What the training was."""
        return {
            "trained_steps": self.at.step,
            "seconds": round(self.at.seconds, 1),
            "sequences_per_s": round(self.at.step * self.settings.batch / max(self.at.seconds, 1e-9), 1),
            "parameters": sum(p.numel() for p in self.net.parameters()),
            "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu",
        }


def rate_factor(warmup: float, part: float) -> float:
    """Part of the full rate: a linear rise, then half a cosine to 0."""
    if part < warmup:
        return max(part / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (part - warmup) / (1 - warmup)))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file, none where it is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _step(
    net: lstm.LSTMNet,
    optimiser: torch.optim.Optimizer,
    settings: SimpleNamespace,
    progress: Tensor,
    frames: Tensor,
) -> dict[str, Tensor]:
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(frames.device.type, torch.bfloat16, settings.precision == "bf16", cache_enabled=False):
        scalars = lstm.loss(net, lstm.SequenceBatch(frames), progress)
    scalars["loss"].backward()  # type: ignore[no-untyped-call]
    scalars["gradient_norm"] = nn.utils.clip_grad_norm_(net.parameters(), settings.grad_clip)
    optimiser.step()
    return {name: value.detach() for name, value in scalars.items()}


def _make_recordable(optimiser: torch.optim.Optimizer, device: torch.device) -> None:
    """All that changes from step to step lies on the device, whatever a checkpoint came with."""
    for group in optimiser.param_groups:
        group |= {"lr": torch.zeros((), device=device), "capturable": True}
    for state in optimiser.state.values():
        state["step"] = state["step"].to(device)


def _make_plain(optimiser: torch.optim.Optimizer) -> None:
    """The step size and Adam's count are numbers of the processor again where a checkpoint came from a CUDA graph."""
    for group in optimiser.param_groups:
        group["lr"] = float(group["lr"])
        if "capturable" in group:
            group["capturable"] = False
    for state in optimiser.state.values():
        if "step" in state:
            state["step"] = state["step"].cpu()


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _seed(seed: int, step: int) -> int:
    return (seed * 1_000_003 + step) % (1 << 63)


def _count_from(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def _restore(run: MnistRun, net: nn.Module, optimiser: torch.optim.Optimizer) -> Position:
    if not run.store.exists(run.checkpoint):
        return Position()
    state = load_checkpoint(run.store, run.checkpoint)
    if state["made_from"] != _made_from(run):
        raise MotionpipeError(f"{run.name} was begun with other settings: {state['made_from']}; use another --out")
    net.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return Position(**state["position"])


def _made_from(run: MnistRun) -> str:
    return json.dumps([run.settings, run.minutes, run.steps], sort_keys=True)


def _draw_curve(run: MnistRun) -> None:
    from .plain_curve import curve_svg

    rows = read_metrics(run.store, run.name)
    points: dict[str, list[tuple[float, float]]] = {}
    for name in run.settings["decoders"]:
        points[name] = [(row["step"], row[name]) for row in rows]
        points[f"test {name}"] = [(row["step"], row["test"][name]) for row in rows if "test" in row]
    run.store.write_bytes(f"{run.name}/curve.svg", curve_svg(points, "step", "nats a frame").encode())
