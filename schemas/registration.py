"""Where a depth camera's pixels lie in the colour image: a fit for one (setup, camera), and the frozen set of fits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .recipe import canonical_hash

RegistrationModel = Literal["affine", "homography", "affine+depth"]
RegisteredFrame = Literal["depth", "rgb"]
Row = tuple[float, float, float]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Registration(_Record):
    """colour = matrix @ (x, y, 1) of the nominal depth image, divided by its third part, + parallax_px_m / Z.

    Pixel centres lie at integers. Errors are distances of inlying joints: where they are, and where the fit puts them.
    """

    setup: int
    camera: int
    model: RegistrationModel
    matrix: tuple[Row, Row, Row]
    parallax_px_m: tuple[float, float] = (0.0, 0.0)
    """Shift in the colour image for Z = 1 m: focal length times baseline; 0 unless the model is "affine+depth"."""
    reference_m: float = Field(gt=0)
    """Median depth of the inlying joints: what stands in for Z where the depth is unknown."""
    depth_size: tuple[int, int]
    """Nominal (width, height) of the depth image."""
    color_size: tuple[int, int]
    """Nominal (width, height) of the colour image."""
    recordings: int = Field(ge=1)
    joints: int = Field(ge=1)
    """Tracked joints that the fit saw."""
    inliers: int = Field(ge=1)
    """Joints that it is fitted to."""
    mean_px: float = Field(ge=0)
    """Mean reprojection error in the nominal colour image."""
    median_px: float = Field(ge=0)
    mean_depth_px: float = Field(ge=0)
    """The same, in the nominal depth image."""
    median_depth_px: float = Field(ge=0)

    @property
    def hash(self) -> str:
        """Hash of the fit: a part of what the samples that it registered say."""
        return canonical_hash(self.model_dump(mode="json"))


class Unregistered(_Record):
    """A (setup, camera) whose RGB stays as it is, and why."""

    setup: int
    camera: int
    reason: str


class Registrations(_Record):
    """Every (setup, camera) of a plan that films RGB and depth."""

    fits: tuple[Registration, ...] = ()
    unregistered: tuple[Unregistered, ...] = ()

    def of(self, setup: int | None, camera: int | None) -> Registration | None:
        """The fit for a (setup, camera), None where there is none."""
        return next((fit for fit in self.fits if (fit.setup, fit.camera) == (setup, camera)), None)
