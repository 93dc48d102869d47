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
from .coded_stream import CodedStream, code_depth, code_rgb, hash_files
from .decode_video import nominal_fps
from .joints import for_each_frame, read_joints, stored_joints
from .sync_streams import nearest_in_relative_time
from .write_shard import Sample


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
        streams["rgb"] = code_rgb(files["rgb"], config)
    if "depth" in files:
        streams["depth"] = code_depth(files["depth"], recording.depth_unit_mm, config)
    joints = read_joints(files["skeleton"], files.get("skeleton_screen")) if "skeleton" in files else None
    counts = {name: len(stream.frames) for name, stream in streams.items()}
    fps = (nominal_fps(files["rgb"]) if "rgb" in files else None) or recording.fps
    if recording.relative_time and counts.keys() >= {"rgb", "depth"}:
        streams["rgb"] = streams["rgb"].picked(nearest_in_relative_time(counts["depth"], counts["rgb"]))
        fps = recording.fps  # the depth camera's clock, since the frames are its
    num_frames = min(len(stream.frames) for stream in streams.values())
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
        "pairing": "relative-time" if recording.relative_time else "order",
        "sizes": sizes,
        "source_sizes": {name: [stream.source_width, stream.source_height] for name, stream in streams.items()},
        "intrinsics": _intrinsics(recording, streams),
        "registration": None,
        "source_frame_counts": counts | ({} if joints is None else {"skeleton": len(joints)}),
    }
    frame_joints = None if joints is None else for_each_frame(joints, num_frames)
    segments = range(0, num_frames, config.max_frames)
    for number, start in enumerate(segments):
        stop = min(start + config.max_frames, num_frames)
        key = planned.key if len(segments) == 1 else f"{planned.key}-s{number:02d}"
        meta = common | {"key": key, "frames": [start, stop], "timestamps_us": times_us[start:stop]}
        members = _frame_members(streams, config.depth_codec, start, stop)
        if frame_joints is not None:
            members["joints.npy"] = npy_bytes(stored_joints(frame_joints[start:stop], recording, sizes))
        members["json"] = json.dumps(meta, sort_keys=True, indent=1).encode()
        yield Sample(key, members, stop - start, fps, source_hash, counts={"frames": stop - start})


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
