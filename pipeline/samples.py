"""One recording to the members of its samples: frames coded, and a JSON that says what they are."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera
from ..schemas.errors import BadSampleError
from ..schemas.recipe import ShardSection
from ..schemas.recording import PlannedRecording, Recording
from ..schemas.registration import RegisteredFrame, Registration
from .coded_stream import CodedStream, code_depth, code_rgb, hash_files
from .decode_video import RGBFrame, nominal_fps
from .depth_codec import DECODERS
from .registered_frames import outside_share, registered_joints, registered_recording, warp_to_depth, warp_to_rgb
from .skeleton import read_joints, stored_joints
from .write_shard import Sample


def build_samples(
    planned: PlannedRecording,
    dataset: str,
    base: Path,
    config: ShardSection,
    registration: Registration | None = None,
) -> Iterator[Sample]:
    """Decode a recording; one sample, or segments of at most `max_frames` with keys KEY-s00, KEY-s01, …

    registration: that of the recording's (setup, camera), used where it has RGB and depth.
    Raises BadSampleError where a stream cannot be used.
    """
    recording = planned.recording
    files = {name: base / path for name, path in recording.files.items()}
    if not files.keys() & {"rgb", "depth"}:
        raise BadSampleError(
            "no-frames", f"{recording.path} has {', '.join(files) or 'no files'} only; RGB or depth is needed"
        )
    if registration is None or not {"rgb", "depth"} <= files.keys():
        registration, streams = None, _code_each(files, recording, config)
    else:
        streams = _code_registered(files, recording, config, registration)
        recording = registered_recording(recording, registration, config.registered_frame)
    joints = read_joints(files["skeleton"]) if "skeleton" in files else None
    if joints is not None and registration is not None:
        joints = registered_joints(joints, registration, config.registered_frame)
    counts = {name: len(stream.frames) for name, stream in streams.items()}
    num_frames = min(counts.values())
    fps = (nominal_fps(files["rgb"]) if "rgb" in files else None) or recording.fps
    times_us, time_source = _timestamps(streams, num_frames, fps)
    fps = fps or _measured_fps(times_us)
    source_hash = hash_files(files)
    sizes = {name: (stream.width, stream.height) for name, stream in streams.items()}
    common: dict[str, Any] = {
        "recording_id": recording.recording_id,
        "dataset": dataset,
        "source": {"path": recording.path, "sha256": source_hash},
        **{name: getattr(recording, name) for name in ("label", "label_name", "splits", "subject", "camera", "setup")},
        "fps": fps,
        "timestamps": time_source,
        "sizes": sizes,
        "source_sizes": {name: [stream.source_width, stream.source_height] for name, stream in streams.items()},
        "intrinsics": _intrinsics(recording, streams),
        "registration": registration and _registration_meta(registration, config.registered_frame, sizes["rgb"]),
        "source_frame_counts": counts | ({} if joints is None else {"skeleton": len(joints)}),
    }
    segments = range(0, num_frames, config.max_frames)
    for number, start in enumerate(segments):
        stop = min(start + config.max_frames, num_frames)
        key = planned.key if len(segments) == 1 else f"{planned.key}-s{number:02d}"
        meta = common | {"key": key, "frames": [start, stop], "timestamps_us": times_us[start:stop]}
        members = _frame_members(streams, config.depth_codec, start, stop)
        if joints is not None:
            members["joints.npy"] = npy_bytes(stored_joints(joints[start:stop], recording, sizes))
        members["json"] = json.dumps(meta, sort_keys=True, indent=1).encode()
        shared = config.registered_frame if registration else None
        yield Sample(key, members, stop - start, fps, source_hash, registered=shared, counts={"frames": stop - start})


def _code_each(files: dict[str, Path], recording: Recording, config: ShardSection) -> dict[str, CodedStream]:
    streams = {}
    if "rgb" in files:
        streams["rgb"] = code_rgb(files["rgb"], config)
    if "depth" in files:
        streams["depth"] = code_depth(files["depth"], recording.depth_unit_mm, config)
    return streams


def _code_registered(
    files: dict[str, Path], recording: Recording, config: ShardSection, registration: Registration
) -> dict[str, CodedStream]:
    """RGB and depth at one size, pixel on pixel; the frame that they share is coded first."""
    if config.registered_frame == "rgb":
        rgb = code_rgb(files["rgb"], config)
        size = rgb.width, rgb.height
        depth = code_depth(
            files["depth"], recording.depth_unit_mm, config, lambda frame: warp_to_rgb(frame, registration, size)
        )
        return {"rgb": rgb, "depth": depth}
    depth = code_depth(files["depth"], recording.depth_unit_mm, config)
    decode = DECODERS[config.depth_codec]

    def register(frame: RGBFrame, number: int) -> RGBFrame:
        known = decode(depth.frames[number]) if number < len(depth.frames) else None
        return warp_to_depth(frame, registration, (depth.width, depth.height), known)

    return {"rgb": code_rgb(files["rgb"], config, register), "depth": depth}


def _registration_meta(registration: Registration, frame: RegisteredFrame, size: tuple[int, int]) -> dict[str, Any]:
    """The fit, the frame that RGB and depth share, and the share of it that the other camera does not see."""
    outside = outside_share(registration, size, frame)
    return registration.model_dump(mode="json") | {"frame": frame, "outside": outside, "hash": registration.hash}


def npy_bytes(array: npt.NDArray[Any]) -> bytes:
    """The .npy file of an array."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _timestamps(streams: dict[str, CodedStream], num_frames: int, fps: float | None) -> tuple[list[int], str]:
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


def _intrinsics(recording: Recording, streams: dict[str, CodedStream]) -> dict[str, dict[str, float]]:
    if "depth" not in streams:
        return {}
    assert recording.depth_camera is not None
    return {"depth": asdict(recording.depth_camera.resized(streams["depth"].width, streams["depth"].height))}


def camera_of(meta: dict[str, Any]) -> Camera:
    """Intrinsics of the stored depth frames of a sample's JSON."""
    return Camera(**meta["intrinsics"]["depth"])


def _frame_members(streams: dict[str, CodedStream], codec: str, start: int, stop: int) -> dict[str, bytes]:
    extensions = {"rgb": "jpg", "depth": codec}
    return {
        f"{name}.{i:04d}.{extensions[name]}": stream.frames[start + i]
        for name, stream in streams.items()
        for i in range(stop - start)
    }
