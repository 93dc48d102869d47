"""Recordings with known truth, in the layout of NTU RGB+D: a capsule figure acts before three RGB-D cameras.

    ROOT/nturgb+d_rgb/SsssCcccPpppRrrrAaaa_rgb.avi              MPEG-4; a camera of its own, not registered with depth
    ROOT/nturgb+d_depth_masked/SsssCcccPpppRrrrAaaa/MDepth-%08d.png   uint16 mm from index 1; 0 = masked or invalid
    ROOT/nturgb+d_skeletons/SsssCcccPpppRrrrAaaa.skeleton       25 Kinect v2 joints
    ROOT/truth/SsssCcccPpppRrrrAaaa.npz                         exact scene flow of the figure's surface

Everything is a function of (config, recording): the same performance is seen by all cameras, and equal arguments give
equal bytes.

    body_shape -> capsule_figure -> poses -> actions -> perform_action      the performance, in the world
    posed_camera -> ray_cast -> room -> render_images -> kinect_rig         what the cameras see of it
    masked_depth, scene_truth -> ntu_writers                                what is written
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .actions import ACTIONS
from .capsule_figure import Capsules
from .depth_codec import DepthFrame
from .kinect_rig import AZIMUTH, SETUPS, View, view_of
from .masked_depth import masked_depth
from .ntu import DEPTH_CAMERA, FPS
from .ntu_writers import skeleton_text, write_depth, write_video
from .perform_action import Performance, PerformanceSpec, performance, posed
from .posed_camera import capsules_in
from .ray_cast import Hits, cast_image
from .render_images import colour_image
from .scene_truth import Truth, load_truth, save_truth, truth_frame, truth_of

__all__ = [
    "GeneratedRecording",
    "GeneratorConfig",
    "Truth",
    "list_recordings",
    "load_truth",
    "performance_of",
    "truth_frame",
    "write_recording",
]


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generated data set holds. Every field changes the bytes."""

    seed: int = 0
    subjects: tuple[int, ...] = (1, 2, 3, 4, 5, 6)  # performer numbers; each has a body, clothes and a style
    cameras: tuple[int, ...] = (1, 2, 3)
    actions: tuple[int, ...] = tuple(ACTIONS)  # numbers of `actions.ACTIONS`
    replications: tuple[int, ...] = (1,)  # odd ones face camera 2, even ones camera 3
    setup: int = 1  # where the cameras stand and how the room looks, 1 to 3
    num_frames: int = 60  # a recording, at least truth_stride + 1
    fps: float = FPS
    depth_size: tuple[int, int] = (DEPTH_CAMERA.width, DEPTH_CAMERA.height)  # width, height, px
    rgb_size: tuple[int, int] = (480, 270)  # width, height, px; even numbers
    noise_mm: float = 1.5  # standard deviation of the depth at 3 m; grows with the square of the depth
    dropout: bool = False  # lose pixels as a Kinect does: half of those on silhouettes, 2 in 5 on the grazed floor
    truth: bool = True  # write truth/
    truth_stride: int = 1  # frames between the two moments of a flow

    def __post_init__(self) -> None:
        """Refuse what cannot be generated."""
        for name, known in (("cameras", AZIMUTH), ("actions", ACTIONS)):
            unknown = [n for n in getattr(self, name) if n not in known]
            if unknown:
                raise ValueError(f"{name}: {unknown} are not among {sorted(known)}")
        if self.setup not in SETUPS:
            raise ValueError(f"setup: {self.setup} is not among {sorted(SETUPS)}")
        if not 1 <= self.truth_stride < self.num_frames:
            raise ValueError(f"truth_stride: {self.truth_stride} is not in 1 to num_frames - 1 = {self.num_frames - 1}")


@dataclass(frozen=True)
class GeneratedRecording:
    """One recording of the set: one performance seen by one camera."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int
    config: GeneratorConfig

    @property
    def recording_id(self) -> str:
        """NTU's name, `SsssCcccPpppRrrrAaaa`."""
        place = f"S{self.setup:03d}C{self.camera:03d}"
        return f"{place}P{self.performer:03d}R{self.replication:03d}A{self.action:03d}"


def list_recordings(config: GeneratorConfig) -> list[GeneratedRecording]:
    """All recordings of a set, in the order of their names' fields: camera, performer, replication, action."""
    return [
        GeneratedRecording(config.setup, camera, performer, replication, action, config)
        for camera in config.cameras
        for performer in config.subjects
        for replication in config.replications
        for action in config.actions
    ]


def performance_of(recording: GeneratedRecording) -> Performance:
    """What the performer does; the same for every camera."""
    config = recording.config
    return performance(
        PerformanceSpec(
            seed=config.seed,
            performer=recording.performer,
            action=recording.action,
            replication=recording.replication,
            num_frames=config.num_frames,
            fps=config.fps,
        )
    )


def write_recording(root: Path, recording: GeneratedRecording) -> None:
    """Write the files of one recording under root; each appears whole or not at all, the video last."""
    config, name = recording.config, recording.recording_id
    view = view_of(recording.setup, recording.camera, config.depth_size, config.rgb_size, config.seed)
    acted = performance_of(recording)
    moments = [posed(acted, frame) for frame in range(config.num_frames)]
    seen = [capsules_in(view.depth, moment) for moment in moments]
    hits = [cast_image(view.depth.intrinsics, capsules) for capsules in seen]
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".writing-") as scratch:
        parts = Path(scratch)
        if config.truth:
            truth = truth_of(view.depth.intrinsics, hits, seen, config.truth_stride, config.fps)
            save_truth(parts / "truth.npz", truth)
            _put(parts / "truth.npz", root / "truth" / f"{name}.npz")
        (parts / "skeleton").write_bytes(skeleton_text(acted, view).encode("ascii"))
        _put(parts / "skeleton", root / "nturgb+d_skeletons" / f"{name}.skeleton")
        write_depth(parts / "depth", _depth_frames(view, hits, recording))
        _put(parts / "depth", root / "nturgb+d_depth_masked" / name)
        write_video(parts / "rgb.avi", _colour_frames(view, moments, acted), config.rgb_size, config.fps)
        _put(parts / "rgb.avi", root / "nturgb+d_rgb" / f"{name}_rgb.avi")


def _depth_frames(view: View, hits: list[Hits], recording: GeneratedRecording) -> Iterator[DepthFrame]:
    config = recording.config
    key = [config.seed, 4, *(getattr(recording, n) for n in ("setup", "camera", "performer", "replication", "action"))]
    rng = np.random.default_rng(key)
    for hit in hits:
        yield masked_depth(view, hit, config.noise_mm, config.dropout, rng)


def _colour_frames(view: View, moments: list[Capsules], acted: Performance) -> Iterator[npt.NDArray[np.uint8]]:
    for moment in moments:
        seen = capsules_in(view.colour, moment)
        hits = cast_image(view.colour.intrinsics, seen)
        yield colour_image(view.colour, hits, seen, acted.shape, view.colour_room)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.is_dir():  # a folder cannot be renamed over one that has files
        shutil.rmtree(target)
    os.replace(source, target)
