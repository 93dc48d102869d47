"""The recipe section of UF-TSN: the flow network, its unsupervised losses, and the two streams that classify."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .section import Count, Positive, Section

BackboneName = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
Scale = Annotated[float, Field(ge=0.1, le=10)]


class UfTsnSection(Section):
    """UF-TSN (ICASSP 2021); the defaults of the flow network are what gives its 5.7 M parameters.

    The flow stage follows the schedule of `[train]`, the others that of `[finetune]`: head_rate is the last layer's,
    encoder_rate that of the backbone behind its first convolution.
    """

    stage: Literal["flow", "classifier", "joint"] = Field(
        "flow",
        description="flow: the flow network alone, from unlabelled pairs; classifier: a stream, the flow network as "
        "it is; joint: both together, the unsupervised loss kept on",
    )
    stream: Literal["temporal", "spatial"] = Field("temporal", description="what classifies: stacks of flow, or frames")
    flow: str | None = Field(
        None,
        description="classifier: the temporal stream reads the pixels of this flow artefact (made with keep = pixels "
        "and the same stride) and has no flow network, to compare with TV-L1's stream",
    )
    pyramid_widths: tuple[Count, ...] = Field(
        (16, 32, 64, 96, 128), min_length=2, max_length=7, description="channels at 1/2, 1/4, … of the frame [count]"
    )
    pyramid_convolutions: int = Field(3, ge=1, le=8, description="convolutions a level of the pyramid [count]")
    radius: int = Field(3, ge=1, le=9, description="search radius d of the cost volume [px of the level]")
    flow_widths: tuple[Count, ...] = Field(
        (128, 128, 96, 64, 32), min_length=1, description="channels of each level's dense estimator [count]"
    )
    cost_volume: bool = Field(True, description="false: estimators see the warped features themselves (ablation)")
    normalise_costs: bool = Field(
        True,
        description="features go into the cost volume with mean 0 and variance 1 over each map; without it costs "
        "hardly differ from place to place at the start, and learning stalls",
    )
    finest: Literal[2, 4] = Field(
        4, description="frame pixels in a pixel of the finest flow; 2 sees more of small frames and costs four times"
    )
    multi_scale: bool = Field(True, description="false: the finest level alone, nothing is warped (ablation)")
    lambda_diff: float = Field(1.0, ge=0, description="weight λ1 of the ℓ1 photometric loss, colours in [0, 1]")
    lambda_census: float = Field(1.0, ge=0, description="weight λ2 of the soft census loss")
    lambda_smooth: float = Field(0.05, ge=0, description="weight λ3 of edge-aware smoothness, flow in px of its level")
    edge_alpha: float = Field(
        10.0, ge=0, description="α of exp(-α |∇I|), colours in [0, 1]; the poster prints 1, which hardly sees edges"
    )
    census_radii: tuple[Count, ...] = Field(
        (3, 2, 2, 1),
        min_length=1,
        description="radius of the census patch of each level, the finest first, the last one for all that are "
        "coarser; a level that a patch does not fit has no census loss [px]",
    )
    loss_size: Literal["level", "full"] = Field(
        "level",
        description="level: each level's loss at its own size, 1/4, 1/8, … of the frame; full: its flow enlarged as "
        "often as the finest needs to be compared at the frame's size",
    )
    occlusion: Literal["none", "border", "forward-backward"] = Field(
        "none",
        description="border: pixels that leave the frame count in no photometric loss; forward-backward: flow is "
        "computed both ways, and pixels where the two do not cancel do not count either (stage flow; joint: as border)",
    )
    frame_short_side: int = Field(
        256, ge=32, le=2160, description="stored frames are reduced to this before the crop, never enlarged [px]"
    )
    crop: int = Field(
        224, ge=32, le=2048, description="side of the square crop, a multiple of the coarsest level's 2^levels [px]"
    )
    stride: int = Field(1, ge=1, le=100, description="frames from one frame of a pair to the other [frames]")
    farthest: int = Field(
        1, ge=1, le=100, description="flow: pairs are drawn from 1 to so many strides apart [strides]"
    )
    pan: int = Field(
        0,
        ge=0,
        le=1000,
        description="flow: the second crop of half of the pairs is displaced by up to so much along each axis, as if "
        "the camera had panned, so that there is motion to learn from; the bound itself is drawn from 1 to this, its "
        "logarithm evenly, so that most pans are small [px]",
    )
    segments: int = Field(3, ge=1, le=64, description="equal parts of a recording, a snippet of each a clip [count]")
    stack: int = Field(5, ge=1, le=32, description="flows L of a temporal snippet, of L + 1 frames [count]")
    flow_clip: Positive = Field(20.0, description="flow is clipped here before it is classified [px]")
    backbone: BackboneName = Field("resnet18", description="network that classifies a snippet")
    backbone_width: int = Field(64, ge=4, le=256, description="channels of its first convolution [count]")
    crop_scales: tuple[Scale, ...] = Field(
        (1.0,),
        min_length=1,
        description="classifier, joint: what becomes the training crop is drawn at one of these times its size, at "
        "most the whole frame [ratio]",
    )
    stem_rate: float = Field(
        1e-3, gt=0, description="classifier, joint: Adam step size of the backbone's first convolution and its norm"
    )
    flow_rate: float = Field(1e-5, gt=0, description="joint: Adam step size of the flow network")
    lambda_flow: float = Field(0.1, ge=0, description="joint: weight of the unsupervised loss beside cross-entropy")

    @model_validator(mode="after")
    def _levels_fit(self) -> UfTsnSection:
        levels = (self.coarsest // self.finest).bit_length()
        if self.crop % self.coarsest:
            raise ValueError(f"crop {self.crop} must be a multiple of {self.coarsest}, the coarsest level's pixel")
        for level in range(levels if not self.lambda_diff else 0):
            side = self.crop // ((1 if self.loss_size == "full" else self.finest) << level)
            if side <= 2 * self.census_radius(level):
                raise ValueError(
                    f"census_radii: a patch of radius {self.census_radius(level)} does not fit level {level} of "
                    f"{side} px"
                )
        if not self.lambda_diff + self.lambda_census:
            raise ValueError("lambda_diff and lambda_census are both 0: nothing would be compared")
        if self.flow is not None and (self.stage, self.stream) != ("classifier", "temporal"):
            raise ValueError("flow is what a temporal classifier reads: stage is classifier, stream temporal")
        if self.stage != "classifier" and self.stream == "spatial":
            raise ValueError("the spatial stream has no flow to train: stage is classifier")
        return self

    def census_radius(self, level: int) -> int:
        """Radius of a level's census patch, 0 being the finest."""
        return self.census_radii[min(level, len(self.census_radii) - 1)]

    @property
    def coarsest(self) -> int:
        """Frame pixels in a pixel of the coarsest flow."""
        return 2 ** len(self.pyramid_widths) if self.multi_scale else self.finest

    @property
    def estimates_flow(self) -> bool:
        """Whether the network has a flow network in it."""
        return self.stage == "flow" or (self.stream == "temporal" and self.flow is None)

    @property
    def snippet_frames(self) -> int:
        """Consecutive frames, a stride apart, of a snippet of the stream: L + 1, or 1."""
        return self.stack + 1 if self.stream == "temporal" else 1
