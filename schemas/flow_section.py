"""The recipe section of flow: how motion between frames is estimated, checked and kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from .section import Positive, Section


class FlowSection(Section):
    """How motion between frames is estimated."""

    method: Literal["auto", "pd", "dis", "dis-fast", "tv-l1", "farneback", "deepflow", "learned"] = Field(
        "auto",
        description="pd: RGB-D scene flow; learned: by the flow network of `run`; the others: optical flow with "
        "OpenCV's defaults; auto: pd where any sample has depth, else dis",
    )
    run: str | None = Field(None, description="learned: the run, of this store or STORE:RUN, that estimates the flow")
    step_s: float = Field(
        0.1, gt=0, le=10, description="time from a frame to its partner; stride = round(step_s * fps) [s]"
    )
    stride: int | None = Field(
        None, ge=1, le=10_000, description="frames from a frame to its partner, whatever the rate; overrides step_s"
    )
    keep: Literal["cells", "pixels"] = Field(
        "cells", description="pixels: beside the cell means the flow of every pixel is stored, flow_px and valid_px"
    )
    cell: int = Field(4, ge=1, le=15, description="side of the cells that flow is averaged over [px]")
    intensity: Literal["auto", "rgb", "shading", "silhouette", "depth", "none"] = Field(
        "auto",
        description="pd: brightness is registered RGB, surface shading, 255 where depth is valid, depth over its "
        "1-99 % range, or none; "
        "auto: rgb where the sample is registered, else shading",
    )
    erode_px: int = Field(
        0,
        ge=0,
        le=16,
        description="pd: flow so near to pixels without depth, where masks end, is not counted as valid [stored px]",
    )
    depth_jump_m: float = Field(
        0.0,
        ge=0,
        le=10,
        description="pd: a pixel is not valid where depth differs by more than this within its 3x3 pixels; 0: off [m]",
    )
    depth_range_m: tuple[Positive, Positive] = Field(
        (0.2, 10.0),
        description="pd: a recording whose median valid depth lies outside is rejected: its unit is wrong [m]",
    )
    forward_backward: float = Field(
        0.0,
        ge=0,
        le=1,
        description="alpha of the check |f + b|^2 < alpha (|f|^2 + |b|^2) + slack^2 of the flow there and back, which "
        "takes twice the time; 0: off",
    )
    forward_backward_slack: float | None = Field(
        None, gt=0, description="slack of that check in the flow's unit; default: 0.7 px, for pd 0.05 m"
    )
    lambda_i: float = Field(0.04, gt=0, description="pd: weight of the total variation of u, v")
    lambda_d: float = Field(0.35, gt=0, description="pd: weight of the total variation of w")
    mu: float = Field(75.0, gt=0, description="pd: weight of geometric consistency (mu_0)")
    iterations: int = Field(100, ge=1, le=10_000, description="pd: primal-dual iterations at the finest level [count]")
    iterations_less: int = Field(
        15, ge=0, description="pd: iterations fewer at each coarser level, at least 10 are made [count]"
    )
    warps: int = Field(1, ge=1, le=20, description="pd: linearisations a level [count]")
    coarsest_rows: int = Field(
        15, ge=4, le=512, description="pd: the pyramid ends at the last level with at least so many rows [px]"
    )

    @field_validator("depth_range_m")
    @classmethod
    def _nearest_first(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] >= bounds[1]:
            raise ValueError("the nearest depth comes first")
        return bounds

    @model_validator(mode="after")
    def _run_is_for_learned(self) -> FlowSection:
        if (self.method == "learned") != (self.run is not None):
            raise ValueError("method = learned needs a run (--run RUN), and no other method takes one")
        return self

    def stride_at(self, fps: float) -> int:
        """Frames between the two of a pair in a recording of `fps` frames a second."""
        return self.stride or max(1, round(self.step_s * fps))
