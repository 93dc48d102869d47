"""Recordings with known truth, in the layout of NTU RGB+D: a capsule figure acts before three RGB-D cameras.

    ROOT/nturgb+d_rgb/SsssCcccPpppRrrrAaaa_rgb.avi              MPEG-4; a camera of its own, not registered with depth
    ROOT/nturgb+d_depth_masked/SsssCcccPpppRrrrAaaa/MDepth-%08d.png   uint16 mm from index 1; 0 = masked or invalid
    ROOT/nturgb+d_skeletons/SsssCcccPpppRrrrAaaa.skeleton       25 Kinect v2 joints
    ROOT/truth/SsssCcccPpppRrrrAaaa.npz                         exact scene flow of the figure's surface

Everything is a function of (config, recording): the same performance is seen by all cameras, and equal arguments give
equal bytes.

Legend: T frames, (H, W) depth image, (h, w) crop of it around the figure, N pixels on the figure.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from .capsule_figure import ACTIONS, Capsules, Floats, Performance, PerformanceSpec, performance, posed
from .ray_cast import (
    Background,
    Bools,
    Bytes,
    Camera,
    Hits,
    capsules_in,
    cast_image,
    colour_image,
    depth_image,
    look_at,
    project,
    room,
    scene_flow,
    to_camera,
)

DEPTH_NOMINAL = (512, 424)
COLOUR_NOMINAL = (1920, 1080)
DEPTH_INTRINSICS = (365.481, 365.481, 257.346, 210.347)  # fx, fy, cx, cy at 512x424, as public code uses for NTU
COLOUR_INTRINSICS = (1057.0, 1057.0, 957.0, 540.0)  # at 1920x1080; joint pairs of real recordings give 1056 to 1062
BASELINE = 0.052  # m, the colour camera stands this far to the left of the depth camera
AZIMUTH = {1: 0.0, 2: -45.0, 3: 45.0}  # degrees; NTU's camera 1 stands between the other two
SETUPS = {1: (1.70, 3.0), 2: (1.40, 3.2), 3: (1.15, 2.9)}  # height and distance of the cameras, m
TARGET_HEIGHT = 0.95  # m, what the cameras look at


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generated data set holds. Every field changes the bytes."""

    seed: int = 0
    subjects: tuple[int, ...] = (1, 2, 3, 4, 5, 6)  # performer numbers; each has a body, clothes and a style
    cameras: tuple[int, ...] = (1, 2, 3)
    actions: tuple[int, ...] = tuple(ACTIONS)  # numbers of `capsule_figure.ACTIONS`
    replications: tuple[int, ...] = (1,)  # odd ones face camera 2, even ones camera 3
    setup: int = 1  # where the cameras stand and how the room looks, 1 to 3
    num_frames: int = 60  # a recording, at least truth_stride + 1
    fps: float = 30.0
    depth_size: tuple[int, int] = DEPTH_NOMINAL  # width, height, px
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


@dataclass(frozen=True)
class Truth:
    """Exact scene flow of the figure between frames i and i + stride, cropped to where the figure ever is.

    Off the figure the scene stands still: `flow` is 0 and `valid` False there, and everywhere outside the crop.
    """

    flow: npt.NDArray[np.float16]  # (T - stride, h, w, 3) m: right, down, away in the depth camera's axes
    valid: Bools  # (T - stride, h, w) on the figure, and that surface point is seen in both frames
    crop: tuple[int, int]  # column and row of the crop's first pixel
    depth_size: tuple[int, int]  # width, height of the whole image
    intrinsics: tuple[float, float, float, float]  # fx, fy, cx, cy of the depth images, px
    stride: int
    fps: float


@dataclass(frozen=True)
class View:
    """The two cameras of one Kinect and the empty room as they see it."""

    depth: Camera
    colour: Camera
    depth_room: Background
    colour_room: Background


# ------------------------------------------------------------------------------------------------------ plan


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


def scaled_intrinsics(
    nominal: tuple[float, float, float, float], nominal_size: tuple[int, int], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Intrinsics fx, fy, cx, cy of a resized image, with integer coordinates at pixel centres."""
    fx, fy, cx, cy = nominal
    sx, sy = size[0] / nominal_size[0], size[1] / nominal_size[1]
    return fx * sx, fy * sy, (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5


def cameras_of(
    setup: int, camera: int, depth_size: tuple[int, int], rgb_size: tuple[int, int]
) -> tuple[Camera, Camera]:
    """The depth and the colour camera of one Kinect: parallel axes, a small baseline, different fields of view."""
    height, distance = SETUPS[setup]
    rotation, centre = look_at(np.array([0.0, TARGET_HEIGHT, 0.0]), distance, height, np.deg2rad(AZIMUTH[camera]))
    depth = scaled_intrinsics(DEPTH_INTRINSICS, DEPTH_NOMINAL, depth_size)
    colour = scaled_intrinsics(COLOUR_INTRINSICS, COLOUR_NOMINAL, rgb_size)
    beside = centre - BASELINE * rotation[0]
    return Camera(*depth_size, *depth, rotation, centre), Camera(*rgb_size, *colour, rotation, beside)


@lru_cache(maxsize=6)
def view_of(setup: int, camera: int, depth_size: tuple[int, int], rgb_size: tuple[int, int], seed: int) -> View:
    """Cameras and empty rooms, which are the same in every recording of a (setup, camera)."""
    depth, colour = cameras_of(setup, camera, depth_size, rgb_size)
    texture_seed = 1000 * seed + setup
    return View(depth, colour, room(depth, texture_seed), room(colour, texture_seed))


# ----------------------------------------------------------------------------------------------------- write


def write_recording(root: Path, recording: GeneratedRecording) -> None:
    """Write the files of one recording under root; each appears whole or not at all, the video last."""
    config, name = recording.config, recording.recording_id
    view = view_of(recording.setup, recording.camera, config.depth_size, config.rgb_size, config.seed)
    acted = performance_of(recording)
    moments = [posed(acted, frame) for frame in range(config.num_frames)]
    seen = [capsules_in(view.depth, moment) for moment in moments]
    hits = [cast_image(view.depth, capsules) for capsules in seen]
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".writing-") as scratch:
        parts = Path(scratch)
        if config.truth:
            _write_truth(parts / "truth.npz", view.depth, hits, seen, config)
            _put(parts / "truth.npz", root / "truth" / f"{name}.npz")
        (parts / "skeleton").write_bytes(skeleton_text(acted, view).encode("ascii"))
        _put(parts / "skeleton", root / "nturgb+d_skeletons" / f"{name}.skeleton")
        _write_depth(parts / "depth", view, hits, recording)
        _put(parts / "depth", root / "nturgb+d_depth_masked" / name)
        _write_video(parts / "rgb.avi", view, moments, acted, config.fps)
        _put(parts / "rgb.avi", root / "nturgb+d_rgb" / f"{name}_rgb.avi")


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.is_dir():  # a folder cannot be renamed over one that has files
        shutil.rmtree(target)
    os.replace(source, target)


def _write_video(path: Path, view: View, moments: list[Capsules], acted: Performance, fps: float) -> None:
    camera = view.colour
    # bitexact keeps the library's version out of the file.
    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = camera.width, camera.height, "yuv420p"
        stream.codec_context.options = {"flags": "+bitexact+qscale", "global_quality": str(3 * 118)}
        stream.codec_context.thread_count = 1
        for moment in moments:
            seen = capsules_in(camera, moment)
            rgb = colour_image(camera, cast_image(camera, seen), seen, acted.shape, view.colour_room)
            frame = av.VideoFrame.from_ndarray(_lens_blur(rgb), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _lens_blur(rgb: Bytes) -> Bytes:
    """Soften the hard edges of one ray a pixel."""
    return np.asarray(cv2.GaussianBlur(rgb, (3, 3), 0.6), dtype=np.uint8)


# ----------------------------------------------------------------------------------------------------- depth


def _write_depth(folder: Path, view: View, hits: list[Hits], recording: GeneratedRecording) -> None:
    config = recording.config
    key = [config.seed, 4, *(getattr(recording, n) for n in ("setup", "camera", "performer", "replication", "action"))]
    rng = np.random.default_rng(key)
    folder.mkdir()
    for index, hit in enumerate(hits, start=1):
        image = masked_depth(view, hit, config, rng)
        encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
        (folder / f"MDepth-{index:08d}.png").write_bytes(encoded.tobytes())


def masked_depth(view: View, hits: Hits, config: GeneratorConfig, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Depth (H, W) in mm, kept where NTU's masked maps keep it: a box around the body, in the range of its depth.

    So the floor at the feet stays and the wall goes, as in the real ones.
    """
    depth = depth_image(view.depth, hits, view.depth_room)
    masked = np.zeros(depth.shape, dtype=np.uint16)
    box = _box(view.depth, [hits], margin=round(12 * view.depth.width / DEPTH_NOMINAL[0]))
    near = depth[box]
    keep = (near > hits.depth.min() - 0.15) & (near < hits.depth.max() + 0.15)
    noise = 1e-3 * config.noise_mm * (near / 3.0) ** 2 * rng.standard_normal(near.shape)
    if config.dropout:
        keep &= ~_dropout(near, view.depth_room.floor[box] & (near >= view.depth_room.depth[box]), rng)
    masked[box] = np.where(keep, np.rint(1000.0 * (near + noise)), 0)
    return masked


def _dropout(depth: Floats, floor: Bools, rng: np.random.Generator) -> Bools:
    kernel = np.ones((3, 3), dtype=np.uint8)
    jump = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel) > 0.10
    chance = np.maximum(np.where(jump, 0.5, 0.0), np.where(floor, 0.4, 0.0))
    return rng.random(depth.shape) < chance


def _box(camera: Camera, hits: list[Hits], margin: int) -> tuple[slice, slice]:
    """Rows and columns that the figure covers in any of the frames, and a margin (px)."""
    row, column = np.divmod(np.concatenate([hit.pixel for hit in hits]), camera.width)
    rows = slice(max(int(row.min()) - margin, 0), min(int(row.max()) + 1 + margin, camera.height))
    return rows, slice(max(int(column.min()) - margin, 0), min(int(column.max()) + 1 + margin, camera.width))


# -------------------------------------------------------------------------------------------------- skeleton


def skeleton_text(acted: Performance, view: View) -> str:
    """The recording's `.skeleton` file: one body, its 25 joints exact and tracked; x right, y up, z away."""
    num_frames = len(acted.joints)
    depth_axes, colour_axes = to_camera(view.depth, acted.joints), to_camera(view.colour, acted.joints)
    rows = np.concatenate(
        [
            depth_axes * np.array([1.0, -1.0, 1.0]),
            _nominal(project(view.depth, depth_axes), view.depth, DEPTH_NOMINAL),
            _nominal(project(view.colour, colour_axes), view.colour, COLOUR_NOMINAL),
            _orientations(acted, view.depth),
        ],
        axis=-1,
    )
    lines = [str(num_frames)]
    for frame in rows:
        lines += ["1", "72057594037927937 0 1 1 1 1 0 0 0 2", str(len(frame))]
        lines += [" ".join([f"{value:.7g}" for value in joint]) + " 2" for joint in frame.tolist()]
    return "\r\n".join(lines) + "\r\n"


def _nominal(pixels: Floats, camera: Camera, size: tuple[int, int]) -> Floats:
    """Pixels (..., 2) of an image to those of its nominal size."""
    scale = np.array([size[0] / camera.width, size[1] / camera.height])
    nominal: Floats = (pixels + 0.5) * scale - 0.5
    return nominal


def _orientations(acted: Performance, camera: Camera) -> Floats:
    """Quaternions w, x, y, z (T, J, 4) of the parts that carry the joints, in Kinect axes (y up), w >= 0."""
    flip = np.diag([1.0, -1.0, 1.0])
    m = flip @ camera.rotation @ acted.rotation
    squares = 1.0 + np.einsum("tpi,si->tps", np.diagonal(m, axis1=2, axis2=3), _SIGNS)
    size = 0.5 * np.sqrt(np.maximum(squares, 0.0))
    # Magnitudes from the diagonal, signs relative to w from the antisymmetric part.
    skew = np.stack([m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]], axis=-1)
    size[..., 1:] = np.copysign(size[..., 1:], skew)
    quaternions: Floats = size[:, acted.figure.joint_part]
    return quaternions


_SIGNS = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])


# ----------------------------------------------------------------------------------------------------- truth


def _write_truth(path: Path, camera: Camera, hits: list[Hits], seen: list[Capsules], config: GeneratorConfig) -> None:
    stride = config.truth_stride
    box = _box(camera, hits, margin=0)
    flow = np.zeros((config.num_frames - stride, camera.height, camera.width, 3), dtype=np.float16)[:, *box]
    valid = np.zeros(flow.shape[:3], dtype=bool)
    for index in range(len(flow)):
        moved, both = scene_flow(camera, hits[index], seen[index], seen[index + stride])
        row, column = np.divmod(hits[index].pixel, camera.width)
        row, column = row - box[0].start, column - box[1].start
        flow[index, row, column] = moved
        valid[index, row, column] = both
    np.savez_compressed(
        path,
        flow=flow,
        valid=valid,
        crop=np.array([box[1].start, box[0].start]),
        depth_size=np.array(config.depth_size),
        intrinsics=np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
        stride=np.array(stride),
        fps=np.array(config.fps),
    )


def load_truth(root: Path, recording_id: str) -> Truth:
    """Read the truth of one recording."""
    with np.load(root / "truth" / f"{recording_id}.npz", allow_pickle=False) as arrays:
        left, top = arrays["crop"].tolist()
        width, height = arrays["depth_size"].tolist()
        fx, fy, cx, cy = arrays["intrinsics"].tolist()
        return Truth(
            flow=arrays["flow"],
            valid=arrays["valid"],
            crop=(left, top),
            depth_size=(width, height),
            intrinsics=(fx, fy, cx, cy),
            stride=int(arrays["stride"]),
            fps=float(arrays["fps"]),
        )


def truth_frame(truth: Truth, pair: int) -> tuple[npt.NDArray[np.float32], Bools]:
    """Flow (H, W, 3) in metres and valid (H, W) of one pair of frames, on the whole depth image."""
    (left, top), (width, height) = truth.crop, truth.depth_size
    rows, columns = truth.flow.shape[1:3]
    flow = np.zeros((height, width, 3), dtype=np.float32)
    valid = np.zeros((height, width), dtype=bool)
    flow[top : top + rows, left : left + columns] = truth.flow[pair]
    valid[top : top + rows, left : left + columns] = truth.valid[pair]
    return flow, valid
