"""Recipe sections of training: the loop that all runs follow, pre-training, and fine-tuning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Probability, Section

ModelName = Literal["atomic-flow", "cgm-net", "lstm", "uf-tsn"]


class LoopSection(Section):
    """What every training loop follows, whatever it trains."""

    epochs: int = Field(50, ge=1, description="passes over the training clips [count]")
    clips_per_epoch: int | None = Field(
        None, ge=1, description="clips in an epoch; default: one for each training sample [count]"
    )
    global_batch: int = Field(16, ge=1, description="clips in an optimiser step, over all workers [count]")
    micro_batch: int = Field(
        8, ge=1, description="clips in one forward pass; batch-norm statistics are over these [count]"
    )
    optimiser: Literal["adam", "momentum"] = Field(
        "adam",
        description="momentum: gradient descent with momentum 0.9 in which no weight changes by more than 1e-4 a step",
    )
    adam_eps: float = Field(
        1e-8, gt=0, description="ε of Adam: gradients far below it make steps in proportion, not of full size"
    )
    schedule: Literal["step", "cosine", "exponential"] = Field(
        "step", description="the rate falls tenfold at each milestone, along half a cosine to 0, or by equal parts"
    )
    last_rate: Probability = Field(
        0.1, description="schedule = exponential: the rate at the end of the run [fraction of the full one]"
    )
    milestones: tuple[Probability, ...] = Field(
        (0.6, 0.85), description="schedule = step: the rate falls tenfold at these parts of the run [fraction]"
    )
    warmup: Probability = Field(0.0, description="the rate rises linearly over this first part of the run [fraction]")
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="bf16: forward passes in mixed precision; weights, sums and losses stay in float32"
    )
    weight_decay: float = Field(5e-4, ge=0, description="weight of the optimiser's L2 term")
    grad_clip: float = Field(5.0, gt=0, description="largest norm of the gradient")
    holdout: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="part of the training split's groups (subjects, source films) held out to watch the loss on; "
        "0 = none [fraction]",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="end after so many epochs without a lower held-out loss and keep the best epoch's weights; "
        "default: train to the last epoch and keep its weights [count]",
    )
    checkpoint_every: int = Field(200, ge=1, description="optimiser steps between checkpoints [count]")
    seed: int = Field(0, ge=0, description="seed of weights, order, crops and flips")

    @model_validator(mode="after")
    def _loop_fits(self) -> LoopSection:
        if self.global_batch % self.micro_batch:
            raise ValueError(f"global_batch {self.global_batch} must be a multiple of micro_batch {self.micro_batch}")
        if self.patience is not None and not self.holdout:
            raise ValueError("patience watches the held-out loss: set holdout too, for example 0.1")
        return self


class TrainSection(LoopSection):
    """`train-cluster`: the network that is pre-trained, and its schedule; what it sees is in a section of its own."""

    model: ModelName = Field("atomic-flow", description="the network to train")
    learning_rate: float = Field(1e-4, gt=0, description="step size of the optimiser")


class FinetuneSection(LoopSection):
    """`train-cluster --task classify`: the encoder, means over time and place, batch norm and a linear layer."""

    clip_frames: int = Field(8, ge=1, le=256, description="frames of a clip, one flow step apart [count]")
    pool_grid: int = Field(
        1, ge=1, le=14, description="hidden maps are averaged to a grid of this side; 1 = global average"
    )
    dropout: Probability = Field(0.5, description="features dropped before the linear layer [fraction]")
    flip: bool = Field(True, description="mirror half of the training clips")
    labelled: float = Field(
        1.0,
        gt=0,
        le=1,
        description="part of the training recordings of each class that is learned from, whole groups drawn by seed; "
        "for learning with fewer labels [fraction]",
    )
    frozen_epochs: int = Field(5, ge=0, description="first epochs, in which the linear layer learns alone [count]")
    frozen_rate: float = Field(1e-3, gt=0, description="Adam step size of the linear layer in those epochs")
    head_rate: float = Field(1e-3, gt=0, description="Adam step size of the linear layer after them")
    encoder_rate: float = Field(1e-4, gt=0, description="Adam step size of the encoder after them")
    epochs: int = Field(30, ge=1, description="passes over the training clips, the frozen ones among them [count]")
    milestones: tuple[Probability, ...] = Field(
        (), description="schedule = step: the rate falls tenfold at these parts of the run [fraction]"
    )

    @model_validator(mode="after")
    def _statistics_need_two(self) -> FinetuneSection:
        if self.micro_batch < 2:
            raise ValueError("micro_batch must be 2 or more: batch norm before the linear layer is over its clips")
        return self
