"""The recipe section of CGM-Net: its sizes, its variants and the weights of its losses (Tian et al., ECCV 2020)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .section import Section
from .slow_fast import ALPHA, BETA_INVERSE

Width = Annotated[int, Field(ge=1, le=4096)]
BackboneName = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnext101",
    "slowfast-small",
    "slowfast50",
    "slowfast101",
]
Pipeline = Literal["backbone", "lr", "hr", "lr+hr"]


class CgmNetSection(Section):
    """CGM-Net; the defaults are the sizes of the paper's ablations. LR and HR are the two resolutions of its maps."""

    clip_frames: int = Field(16, ge=1, le=256, description="frames T that the encoder sees; a clip holds one more")
    frame_step: int = Field(1, ge=1, le=64, description="from one frame of a clip to the next [stored frames]")
    frame_short_side: int = Field(
        128, ge=16, le=1024, description="shorter side that stored frames are scaled to before the crop [px]"
    )
    crop: int = Field(112, ge=16, le=1024, description="side of the square crop, a multiple of scale [px]")
    crop_scale: float = Field(
        1.0, ge=0.25, le=1, description="training crops show squares down to this part of the usual side [fraction]"
    )
    flip: bool = Field(True, description="mirror half of the training clips")
    backbone: BackboneName = Field("resnet18", description="3D network that encodes the clip")
    backbone_width: int = Field(64, ge=4, le=256, description="channels of its first convolution [count]")
    decoder_widths: tuple[Width, Width, Width, Width] = Field(
        (256, 256, 128, 128), description="channels after each convolution of the LR motion decoder [count]"
    )
    lateral: bool = Field(
        False,
        description="the decoder also sees the encoder's earlier stages, through 1x1x1 convolutions; the paper's sees "
        "the last alone, 1/32 of the frame, through which a small crop's motion hardly passes",
    )
    slope: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="of the activations of the decoder and of the context's last stage below zero; with 0, ReLU as in "
        "the paper, these features may all die, and the maps stay the identity",
    )
    motion_channels: int = Field(
        128, ge=2, le=1024, multiple_of=2, description="channels C of the motion and of the context features [count]"
    )
    scale: Literal[1, 2, 4, 8, 16] = Field(
        4, description="HR pixels in an LR pixel's side; 1: maps are decoded at full size and there is one kind of them"
    )
    upsampling: Literal["cgmul", "nearest", "bilinear"] = Field(
        "cgmul", description="from LR to HR maps: guided by context, or interpolated, with filters dilated by scale"
    )
    kernel_lr: int = Field(3, ge=1, le=31, description="side k of the filters in LR maps, odd [LR px]")
    kernel_hr: int = Field(5, ge=1, le=31, description="cgmul, or scale = 1: side of the filters in HR maps, odd [px]")
    padding: Literal["replicate", "zero"] = Field("replicate", description="what filters see beyond the frame")
    lambda_hr: float = Field(
        1.0, ge=0, description="weight of the HR reconstruction loss; with lambda_lr = 0 too no frame is synthesised"
    )
    lambda_lr: float = Field(1.0, ge=0, description="weight λ1 of the LR reconstruction loss")
    lambda_class: float = Field(
        0.0,
        ge=0,
        description="weight λ2 of the classification loss; with 0 nothing classifies, and `--task classify` takes 10, "
        "as the paper does",
    )
    pipeline: Pipeline = Field(
        "lr+hr", description="where lambda_class > 0: the backbone's scores alone, or averaged with those of the maps"
    )
    action_widths: tuple[Width, Width, Width, Width, Width, Width] = Field(
        (64, 64, 128, 128, 256, 512), description="channels of the six convolutions that classify motion maps [count]"
    )

    @model_validator(mode="after")
    def _sizes_fit(self) -> CgmNetSection:
        if self.crop > self.frame_short_side:
            raise ValueError(f"crop {self.crop} does not fit in frames of shorter side {self.frame_short_side}")
        if self.crop % self.scale:
            raise ValueError(f"crop {self.crop} must be a multiple of scale {self.scale}")
        if not self.kernel_lr % 2 or not self.kernel_hr % 2:
            raise ValueError(f"kernel_lr {self.kernel_lr} and kernel_hr {self.kernel_hr} must be odd")
        if self.upsampling == "cgmul" and self.scale > 1 and self.kernel_hr < self.kernel_lr:
            raise ValueError(f"kernel_hr {self.kernel_hr} is smaller than kernel_lr {self.kernel_lr}")
        if self.scale == 1 and self.upsampling != "cgmul":
            raise ValueError(f"scale = 1 has nothing to upsample: leave upsampling = {self.upsampling} out")
        if self.scale == 1 and self.lambda_class > 0 and "lr" in self.pipeline.split("+"):
            raise ValueError(f"scale = 1 has no LR maps: pipeline {self.pipeline} must be backbone or hr")
        return self

    @model_validator(mode="after")
    def _backbone_fits(self) -> CgmNetSection:
        if self.backbone.startswith("slowfast"):
            if self.lateral:
                raise ValueError(f"lateral reads the stages of a ResNet; {self.backbone} is two pathways")
            if self.clip_frames % ALPHA:
                raise ValueError(f"{self.backbone}: clip_frames must be a multiple of {ALPHA}")
            if self.backbone_width % BETA_INVERSE:
                raise ValueError(f"{self.backbone}: backbone_width must be a multiple of {BETA_INVERSE}")
        if self.backbone == "resnext101" and self.backbone_width % 16:
            raise ValueError("resnext101: backbone_width must be a multiple of 16, for 32 groups of twice as many")
        return self

    @property
    def synthesises(self) -> bool:
        """Whether frames are synthesised in training."""
        return self.lambda_hr > 0 or (self.lambda_lr > 0 and self.scale > 1)

    @property
    def dilation_hr(self) -> int:
        """Pixels from tap to tap of an HR filter."""
        return 1 if self.upsampling == "cgmul" else self.scale

    @property
    def taps_hr(self) -> int:
        """Taps of an HR filter, channels of an HR map."""
        return self.kernel_hr**2 if self.upsampling == "cgmul" else self.kernel_lr**2

    @property
    def taps_lr(self) -> int:
        """Taps of an LR filter; with scale = 1, where LR is HR, those of an HR filter."""
        return self.taps_hr if self.scale == 1 else self.kernel_lr**2
