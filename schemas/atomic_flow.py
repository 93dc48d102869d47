"""The recipe section of the atomic-flow network: its input, its sizes and its targets (Luo et al. 2017)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Count, Positive, Probability, Section


class AtomicFlowSection(Section):
    """The network, what it sees and what it predicts."""

    modality: Literal["auto", "depth", "rgb", "rgbd"] = Field(
        "auto", description="what the encoder sees; auto: the stream that the flow lies on"
    )
    frame_short_side: int = Field(
        120, ge=16, le=1024, description="stored frames are reduced to this before the crop [px]"
    )
    crop: int = Field(112, ge=16, le=1024, description="side of the square crop; a multiple of cell and of 16 [px]")
    cell: int = Field(4, ge=1, le=64, description="side of a target cell in the crop [px]")
    widths: tuple[Count, Count, Count, Count, Count] = Field(
        (16, 32, 64, 128, 128), description="channels of conv1..conv5 [count]"
    )
    hidden: int = Field(32, ge=1, description="channels of both ConvLSTMs [count]")
    deconv_widths: tuple[Count, ...] = Field(
        (64, 32), description="channels after each x2 transposed convolution [count]"
    )
    steps: int = Field(8, ge=1, le=64, description="flow maps predicted, n [count]")
    from_pair: bool = Field(
        False, description="the first of them is the motion between the two input frames (true), or that after (false)"
    )
    feedback: bool = Field(False, description="decoder input: its previous output (true) or zeros (false)")
    target: Literal["hard", "soft"] = Field(
        "hard",
        description="the nearest codeword, or a Gaussian over the five nearest; a learnable codebook assigns softly "
        "by itself",
    )
    rebalance_lambda: Probability = Field(0.5, description="smoothing weight of the rebalanced cross-entropy")
    rebalance_nonzero: bool = Field(
        False, description="smooth over the codewords that occur in training instead of over all K"
    )
    prior_sigma: float = Field(
        0.0, ge=0, description="width of a Gaussian that smooths the prior over the codewords [units of the codebook]"
    )
    codebook_alpha: float = Field(1.0, ge=0, description="learnable: weight of the reconstruction term")
    codebook_usage: float = Field(
        0.1, ge=0, description="learnable: the usage term at the start, as a part of the reconstruction [fraction]"
    )
    temperature: tuple[Positive, Positive] = Field(
        (1.0, 0.05),
        description="learnable: of the soft assignment at the start and the end of a run [median squared distance "
        "of a moving cell to its centre]",
    )
    flip: bool = Field(True, description="mirror half of the training clips and negate δx")
    moving_clips: Probability = Field(
        0.5, description="share of training clips drawn from the more moving half [fraction]"
    )

    @model_validator(mode="after")
    def _sizes_fit(self) -> AtomicFlowSection:
        if self.crop % self.cell or self.crop % 16:
            raise ValueError(f"crop {self.crop} must be a multiple of cell {self.cell} and of 16")
        grid, doublings = self.crop // self.cell, len(self.deconv_widths)
        if self.code_side * 2**doublings != grid or self.crop not in (16 * self.code_side, 32 * self.code_side):
            raise ValueError(
                f"crop {self.crop}: {doublings} x2 deconvolutions to the {grid}x{grid} target grid need a code of side "
                f"{grid / 2**doublings:g}; the encoder's is crop/16 = {self.crop // 16} or crop/32 = {self.crop / 32:g}"
            )
        return self

    @property
    def code_side(self) -> int:
        """Side of the encoder's code; conv5 has stride 1 where it is crop/16 and stride 2 where it is crop/32."""
        return self.crop // self.cell // (1 << len(self.deconv_widths))
