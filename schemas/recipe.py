"""Recipes: everything that changes the bytes of an artefact, one section a stage.

Each section is hashed on its own into the identity of the artefact that it makes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from .atomic_flow import AtomicFlowSection
from .cgm_net import CgmNetSection
from .flow_section import FlowSection
from .lstm_section import LSTMSection
from .section import Count, Positive, Probability, Section
from .training import FinetuneSection, ModelName, TrainSection
from .uf_tsn import UfTsnSection

DigitSpeed = Annotated[float, Field(gt=0, le=36)]


class DataSection(Section):
    """Which recordings, and which protocol splits them."""

    dataset: str | None = Field(None, description="dataset name as in `shard --dataset`")
    limit: int | None = Field(None, ge=1, description="take only the first N recordings [count]")
    protocol: str | None = Field(
        None, description="split protocol, e.g. xsub, xview, split; default: the dataset's first"
    )
    test_fraction: float = Field(
        0.3, gt=0, lt=1, description="`folder` without splits: part that is for testing [fraction]"
    )
    split_seed: int = Field(0, ge=0, description="`folder` without splits: seed of the split by recording")
    ntu_missing_skeletons: Literal["keep", "no-part"] = Field(
        "keep",
        description="ntu: recordings of the official lists of missing skeletons, where these lie beside the folders, "
        "stay in their splits or take part in none, as in results that rest on skeletons",
    )
    mnist_train_sequences: int = Field(
        2000, ge=0, le=1_000_000, description="moving-mnist: sequences of training digits [count]"
    )
    mnist_test_sequences: int = Field(
        10_000, ge=0, le=10_000, description="moving-mnist: first sequences of the fixed test set [count]"
    )
    mnist_digits: int = Field(2, ge=1, le=16, description="moving-mnist: digits in a sequence [count]")
    mnist_frames: int = Field(
        20, ge=2, le=1000, description="moving-mnist: length of a sequence, which is never cut [frames]"
    )
    mnist_speed_px: tuple[DigitSpeed, DigitSpeed] | None = Field(
        None, description="moving-mnist: range that speeds are drawn from; default: 3.6 for all [px a frame]"
    )
    mnist_seed: int = Field(
        0, ge=0, le=2**32 - 1, description="moving-mnist: seed of the training sequences; the test set has its own"
    )

    @field_validator("mnist_speed_px")
    @classmethod
    def _slowest_first(cls, speeds: tuple[float, float] | None) -> tuple[float, float] | None:
        if speeds is not None and speeds[0] > speeds[1]:
            raise ValueError("the slowest speed comes first")
        return speeds


class ShardSection(Section):
    """How recordings are stored."""

    short_side: int = Field(
        256, ge=16, le=4320, description="frames are reduced to this shorter side, never enlarged [px]"
    )
    jpeg_quality: int = Field(92, ge=1, le=100, description="JPEG quality of RGB frames, 4:2:0")
    depth_codec: Literal["d16", "png16"] = Field("d16", description="lossless code of depth frames")
    max_frames: int = Field(2000, ge=2, le=100_000, description="a longer recording is cut into segments [frames]")
    recordings_per_shard: int = Field(16, ge=1, le=100_000, description="recordings in one tar [count]")
    policy: Literal["strict", "repair", "drop"] = Field(
        "repair",
        description="damaged recordings: strict rejects them; repair keeps what can be decoded and records the rest; "
        "drop leaves damaged and frozen frames out as well",
    )
    min_decoded: Probability = Field(
        0.9, description="repair, drop: a recording of which less of the expected frames is kept is rejected [fraction]"
    )
    frozen_frames: int = Field(
        5, ge=2, le=100_000, description="so many identical frames in a row count as frozen [frames]"
    )
    max_count_mismatch: int = Field(
        3,
        ge=0,
        le=100_000,
        description="RGB and depth may differ by so many frames before it counts as damage [frames]",
    )
    registration: Literal["affine", "homography", "affine+depth", "none"] = Field(
        "affine",
        description="depth to colour pixels, fitted to the joints of each (setup, camera); +depth adds parallax / Z",
    )
    registered_frame: Literal["depth", "rgb"] = Field(
        "depth", description="where registered: RGB is resampled into the depth frame, or depth into the RGB frame"
    )
    registration_recordings: int = Field(
        20, ge=1, le=10_000, description="skeletons read for the fit of a (setup, camera), at most [count]"
    )
    registration_min_joints: int = Field(
        200, ge=8, description="with fewer agreeing joints a (setup, camera) stays unregistered [count]"
    )
    registration_max_px: float = Field(
        6.0, gt=0, description="with a larger mean reprojection error it stays unregistered [px of the colour image]"
    )

    @model_validator(mode="after")
    def _frame_fits(self) -> ShardSection:
        if self.registered_frame == "rgb" and self.registration == "affine+depth":
            raise ValueError("registered_frame = rgb resamples depth by one map: registration is affine or homography")
        return self


class CodebookSection(Section):
    """How flow cells become codewords."""

    kind: Literal["uniform", "kmeans", "learnable"] = Field(
        "kmeans",
        description="uniform: a regular grid; kmeans: k-means over cells of the training split; learnable: centres "
        "that training moves",
    )
    components: Literal["all", "xy"] = Field(
        "all", description="xy: δz of scene flow is dropped, for motion in the picture plane alone"
    )
    size: int = Field(
        64, ge=2, le=65_535, description="k-means: number of codewords K, the zero codeword among them [count]"
    )
    bins: int = Field(
        5, ge=3, le=39, description="uniform: bins an axis, odd so that zero is a centre; K = bins ^ components [count]"
    )
    symmetric: bool = Field(
        False, description="k-means: the mirror image of each centre is a centre too, so that a flip permutes the codes"
    )
    start: Literal["kmeans", "uniform"] = Field("kmeans", description="learnable: where the centres begin")
    fit_on: Literal["sample", "all"] = Field(
        "sample", description="k-means: over the drawn sample, or in passes over all training cells as they are"
    )
    sample_cells: int = Field(1_000_000, ge=100, description="cells in the drawn sample, at most [count]")
    static_fraction: float = Field(
        0.5, ge=0, lt=1, description="largest share of static cells in that sample [fraction]"
    )
    static_below_m: float = Field(0.005, ge=0, description="a 3-D cell that moves less is static [m a step]")
    static_below_px: float = Field(0.25, ge=0, description="a 2-D cell that moves less is static [px a step]")
    clip_percentile: float = Field(
        99.0, gt=50, le=100, description="|component| of moving cells is clipped here [percent]"
    )
    iterations: int = Field(50, ge=1, le=10_000, description="k-means: Lloyd iterations, at most [count]")
    seed: int = Field(0, ge=0, description="seed of the sample and of the k-means seeding")

    @field_validator("bins")
    @classmethod
    def _zero_is_a_centre(cls, bins: int) -> int:
        if bins % 2 == 0:
            raise ValueError("must be odd, so that zero is a centre")
        return bins


class EvaluateSection(Section):
    """How a fine-tuned classifier is scored, and the synthesis of frames measured."""

    num_clips: int = Field(10, ge=1, le=1000, description="evenly spaced clips of a sample, averaged [count]")
    crops: Literal[1, 10] = Field(
        1, description="uf-tsn: the centre of each clip, or its corners too and all five mirrored, averaged [count]"
    )
    average: Literal["softmax", "scores"] = Field(
        "softmax", description="what is averaged over clips: probabilities, or the scores before the softmax"
    )
    batch: int = Field(16, ge=1, le=4096, description="clips in one forward pass [count]")
    motion_clips: int = Field(
        101, ge=1, le=100_000, description="--on motion: clips, one of each recording, over all classes [count]"
    )
    motion_side: int | None = Field(
        None,
        ge=32,
        le=1024,
        description="--on motion: side of the frames, of the same part of the picture; default: the run's crop [px]",
    )
    motion_seed: int = Field(0, ge=0, description="--on motion: seed of the clips")


class EmbedSection(Section):
    """Which clips are embedded and how."""

    per: Literal["clip", "frame"] = Field("clip", description="a row for each clip, or for each single frame")
    num_clips: int = Field(10, ge=1, le=100_000, description="evenly spaced clips (or frames) of a sample [count]")
    clip_frames: int = Field(8, ge=1, le=256, description="frames of a clip, one flow step apart [count]")
    pool_grid: int = Field(
        1, ge=1, le=7, description="hidden maps are averaged to a grid of this side; 1 = global average"
    )
    batch: int = Field(16, ge=1, le=4096, description="clips in one forward pass [count]")


class ClassifySection(Section):
    """The probes."""

    probes: tuple[Literal["linear", "knn", "svm"], ...] = Field(
        ("linear", "knn", "svm"), description="classifiers to fit"
    )
    folds: int = Field(3, ge=2, le=20, description="grouped cross-validation folds inside the training part [count]")
    c_grid: tuple[Positive, ...] = Field((0.01, 0.1, 1.0, 10.0), description="inverse regularisation strengths tried")
    k_grid: tuple[Count, ...] = Field((1, 5, 9, 15), description="numbers of neighbours tried [count]")
    seed: int = Field(0, ge=0, description="seed of folds and solvers")


class Recipe(Section):
    """A whole recipe; absent sections and fields take the defaults shown here."""

    data: DataSection = DataSection()
    shard: ShardSection = ShardSection()
    flow: FlowSection = FlowSection()
    codebook: CodebookSection = CodebookSection()
    train: TrainSection = TrainSection()
    atomic_flow: AtomicFlowSection = AtomicFlowSection()
    cgm_net: CgmNetSection = CgmNetSection()
    lstm: LSTMSection = LSTMSection()
    uf_tsn: UfTsnSection = UfTsnSection()
    finetune: FinetuneSection = FinetuneSection()
    evaluate: EvaluateSection = EvaluateSection()
    embed: EmbedSection = EmbedSection()
    classify: ClassifySection = ClassifySection()

    def network(self, model: ModelName) -> AtomicFlowSection | CgmNetSection | LSTMSection | UfTsnSection:
        """The section of a model's input and sizes."""
        match model:
            case "atomic-flow":
                return self.atomic_flow
            case "cgm-net":
                return self.cgm_net
            case "lstm":
                return self.lstm
            case "uf-tsn":
                return self.uf_tsn


def canonical_hash(value: object) -> str:
    """sha256 hex digest of `value` as canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
