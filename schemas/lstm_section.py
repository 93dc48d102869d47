"""The recipe section of LSTM autoencoders and future predictors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Probability, Section

Decoder = Literal["reconstruction", "future"]


class LSTMSection(Section):
    """Encoder, decoders and what they are fed with (Srivastava et al. 2015)."""

    decoders: tuple[Decoder, ...] = Field(
        ("reconstruction", "future"),
        description="reconstruction alone: autoencoder; future alone: future predictor; both: composite",
    )
    conditional: tuple[Decoder, ...] = Field(
        ("future",), description="decoders that see the frame before: the true one in training, their own at test"
    )
    hidden: int = Field(2048, ge=1, le=65_536, description="units of each layer [count]")
    layers: int = Field(2, ge=1, le=8, description="LSTM layers of the encoder and of each decoder [count]")
    peephole: bool = Field(True, description="gates see the memory")
    start: Literal["released", "orthogonal"] = Field(
        "released",
        description="released: weights uniform in ±0.01, biases 0; orthogonal: orthogonal recurrent weights, forget "
        "bias 1, Xavier otherwise, and pixels expected black: learns in far fewer steps",
    )
    input_frames: int = Field(10, ge=1, le=1000, description="frames that the encoder reads [count]")
    future_frames: int = Field(10, ge=1, le=1000, description="frames after these that are predicted [count]")
    truth_share: Probability = Field(
        1.0,
        description="conditional decoders in training: share of steps that see the true frame, not their own, at the "
        "start of the run",
    )
    truth_share_end: Probability = Field(1.0, description="that share later on, no larger; it falls evenly")
    truth_share_until: float = Field(
        1.0, gt=0, le=1, description="part of the run over which the share changes; from then on it is truth_share_end"
    )
    input: Literal["moving-mnist", "patches", "percepts"] = Field(
        "moving-mnist",
        description="moving-mnist: sequences made on the fly; patches: squares cut from RGB frames; percepts: rows of "
        "`embed --per frame`",
    )
    patch_px: int = Field(32, ge=4, le=256, description="patches: side [px of the stored frames]")
    patches: int = Field(8, ge=1, le=1024, description="patches cut from each clip that is read [count]")
    percepts: str | None = Field(
        None, description="percepts: name of the embeddings to read; default: the only ones that there are"
    )
    output: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli",
        description="bernoulli: cross-entropy of pixels in 0..1 [nats]; gaussian: half the squared error",
    )

    @model_validator(mode="after")
    def _decoders_fit(self) -> LSTMSection:
        if not self.decoders or len(set(self.decoders)) < len(self.decoders):
            raise ValueError("decoders are reconstruction, future, or both, each once")
        if self.truth_share_end > self.truth_share:
            raise ValueError(
                f"truth_share_end {self.truth_share_end} is above truth_share {self.truth_share}: set it too"
            )
        if self.output == "bernoulli" and self.input != "moving-mnist":
            raise ValueError(f"{self.input} are no pixels in 0..1: set output = gaussian")
        if not set(self.conditional) <= set(self.decoders):
            raise ValueError(
                f"conditional names {', '.join(self.conditional)}, decoders are {', '.join(self.decoders)}"
            )
        return self
