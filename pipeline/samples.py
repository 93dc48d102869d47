"""One recording to the members of its samples: frames coded, and a JSON that says what they are."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from ..schemas.camera import Camera
from ..schemas.errors import BadSampleError
from ..schemas.recipe import ShardSection
from ..schemas.recording import PlannedRecording
from . import depth_codec
from .decode_video import iterate_video, nominal_fps
from .depth_frames import depth_png_files, iterate_depth_pngs
from .ntu import COLOR_SIZE, DEPTH_CAMERA
from .skeleton import read_ntu_skeleton
from .write_shard import Sample


@dataclass(frozen=True)
class _Stream:
    """Coded frames of one stream."""

    frames: list[bytes]
    width: int
    height: int
    source_width: int
    source_height: int
    pts_us: list[int | None]


def build_samples(planned: PlannedRecording, dataset: str, base: Path, config: ShardSection) -> Iterator[Sample]:
    """Decode a recording; one sample, or segments of at most `max_frames` with keys KEY-s00, KEY-s01, …

    Raises BadSampleError where a stream cannot be used.
    """
    recording = planned.recording
    files = {name: base / path for name, path in recording.files.items()}
    if not files.keys() & {"rgb", "depth"}:
        raise BadSampleError(
            "no-frames", f"{recording.path} has {', '.join(files) or 'no files'} only; RGB or depth is needed"
        )
    streams = {}
    if "rgb" in files:
        streams["rgb"] = _read_rgb(files["rgb"], config)
    if "depth" in files:
        streams["depth"] = _read_depth(files["depth"], config)
    joints = read_ntu_skeleton(files["skeleton"]) if "skeleton" in files else None
    counts = {name: len(stream.frames) for name, stream in streams.items()}
    num_frames = min(counts.values())
    fps = (nominal_fps(files["rgb"]) if "rgb" in files else None) or recording.fps
    times_us, time_source = _timestamps(streams, num_frames, fps)
    fps = fps or _measured_fps(times_us)
    source_hash = _hash_files(files)
    common: dict[str, Any] = {
        "recording_id": recording.recording_id,
        "dataset": dataset,
        "source": {"path": recording.path, "sha256": source_hash},
        **{name: getattr(recording, name) for name in ("label", "label_name", "splits", "subject", "camera", "setup")},
        "fps": fps,
        "timestamps": time_source,
        "sizes": {name: [stream.width, stream.height] for name, stream in streams.items()},
        "source_sizes": {name: [stream.source_width, stream.source_height] for name, stream in streams.items()},
        "intrinsics": _intrinsics(streams),
        "registration": None,
        "source_frame_counts": counts | ({} if joints is None else {"skeleton": len(joints)}),
    }
    segments = range(0, num_frames, config.max_frames)
    for number, start in enumerate(segments):
        stop = min(start + config.max_frames, num_frames)
        key = planned.key if len(segments) == 1 else f"{planned.key}-s{number:02d}"
        meta = common | {"key": key, "frames": [start, stop], "timestamps_us": times_us[start:stop]}
        members = _frame_members(streams, config.depth_codec, start, stop)
        if joints is not None:
            members["joints.npy"] = npy_bytes(_stored_joints(joints[start:stop], streams))
        members["json"] = json.dumps(meta, sort_keys=True, indent=1).encode()
        yield Sample(key, members, stop - start, fps, source_hash, counts={"frames": stop - start})


def npy_bytes(array: npt.NDArray[Any]) -> bytes:
    """The .npy file of an array."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _read_rgb(path: Path, config: ShardSection) -> _Stream:
    frames: list[bytes] = []
    times: list[int | None] = []
    first = last = None
    for frame in iterate_video(path, config.short_side):
        first, last = first or frame, frame
        if frame.rgb.shape != first.rgb.shape:
            raise BadSampleError("size-changes", f"{path}: frame {len(frames)} has another size than the first")
        frames.append(simplejpeg.encode_jpeg(frame.rgb, quality=config.jpeg_quality, colorsubsampling="420"))
        times.append(frame.pts_us)
    assert first is not None
    assert last is not None
    height, width = first.rgb.shape[:2]
    return _Stream(frames, width, height, first.source_width, first.source_height, times)


def _read_depth(folder: Path, config: ShardSection) -> _Stream:
    encode = depth_codec.ENCODERS[config.depth_codec]
    frames = []
    for depth in iterate_depth_pngs(folder, config.short_side):
        height, width = depth.shape
        frames.append(encode(depth))
    source = depth_codec.decode_png16(depth_png_files(folder)[0].read_bytes())
    return _Stream(frames, width, height, source.shape[1], source.shape[0], [])


def _timestamps(streams: dict[str, _Stream], num_frames: int, fps: float | None) -> tuple[list[int], str]:
    """Microseconds of each frame from the first, and where they come from: the file, or the nominal rate."""
    pts = streams["rgb"].pts_us[:num_frames] if "rgb" in streams else []
    known = [time for time in pts if time is not None]
    if len(known) == num_frames and all(a < b for a, b in itertools.pairwise(known)):
        return [time - known[0] for time in known], "presentation"
    if fps is None:
        raise BadSampleError("no-timing", "the file states neither increasing timestamps nor a frame rate")
    return [round(i * 1_000_000 / fps) for i in range(num_frames)], "nominal"


def _measured_fps(times_us: list[int]) -> float:
    if len(times_us) < 2:
        raise BadSampleError("no-timing", "a single frame without a frame rate")
    return round((len(times_us) - 1) * 1_000_000 / (times_us[-1] - times_us[0]), 6)


def _intrinsics(streams: dict[str, _Stream]) -> dict[str, dict[str, float]]:
    if "depth" not in streams:
        return {}
    depth = streams["depth"]
    # the nominal camera refers to 512x424; it is scaled to the size that was read, then along with the reduction
    camera = DEPTH_CAMERA.resized(depth.width, depth.height)
    return {"depth": asdict(camera)}


def camera_of(meta: dict[str, Any]) -> Camera:
    """Intrinsics of the stored depth frames of a sample's JSON."""
    return Camera(**meta["intrinsics"]["depth"])


def _frame_members(streams: dict[str, _Stream], codec: str, start: int, stop: int) -> dict[str, bytes]:
    extensions = {"rgb": "jpg", "depth": codec}
    return {
        f"{name}.{i:04d}.{extensions[name]}": stream.frames[start + i]
        for name, stream in streams.items()
        for i in range(stop - start)
    }


def _stored_joints(joints: npt.NDArray[np.float32], streams: dict[str, _Stream]) -> npt.NDArray[np.float32]:
    """Joints with their image positions scaled from the nominal sizes to the stored frames."""
    nominal = {"depth": ((DEPTH_CAMERA.width, DEPTH_CAMERA.height), 3), "rgb": (COLOR_SIZE, 5)}
    stored = joints.copy()
    for name, ((width, height), column) in nominal.items():
        if name in streams:
            scale = np.array([streams[name].width / width, streams[name].height / height], dtype=np.float32)
            stored[..., column : column + 2] = (stored[..., column : column + 2] + 0.5) * scale - 0.5
    return stored


def _hash_files(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        for file in depth_png_files(path) if path.is_dir() else [path]:
            digest.update(f"{name}/{file.name}\0".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
