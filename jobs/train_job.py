"""What a worker is told of a run: names, recipes and sizes; the samples lie in a file of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..pipeline.store import Store
from ..schemas.codebook import Codebook

if TYPE_CHECKING:
    from ..schemas.training import FinetuneSection, LoopSection, TrainSection


@dataclass(frozen=True)
class TrainJob:
    """One run, small enough to send to every worker.

    learner: name in `learners.LEARNERS`. made_from: hash of what the run is made from; checkpoints of another are
    refused. network: the model's own section, sizes of the network and its input. train: schedule of pre-training.
    flow_folder, cell: where targets lie, and the side of a stored flow cell [px]. codebook: of the flow's codewords,
    for networks that predict them. finetune, labels, init: for classifiers, their schedule, the class indices that they
    tell apart, and the (store, checkpoint) that the encoder starts from, if any. weights: file of public weights that
    a backbone starts from, which all workers see.
    """

    store: Store
    run: str
    learner: str
    made_from: str
    network: Any
    train: TrainSection
    cell: int
    flow_folder: str | None = None
    codebook: Codebook | None = None
    finetune: FinetuneSection | None = None
    labels: Sequence[int] = ()
    init: tuple[Store, str] | None = None
    weights: str | None = None

    @property
    def loop(self) -> LoopSection:
        """The section whose schedule the run follows."""
        return self.finetune or self.train

    @property
    def samples_file(self) -> str:
        """The run's samples, see `pipeline.train_samples`."""
        return f"runs/{self.run}/samples.npz"


@dataclass(frozen=True)
class LoopOptions:
    """What changes the speed of training: this worker's rank among so many, threads that read ahead, torch.compile.

    events: TensorBoard events beside metrics.jsonl.
    """

    rank: int = 0
    workers: int = 1
    readers: int = 1
    compiled: bool = False
    events: bool = True
