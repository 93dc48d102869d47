"""One recording to the members of its samples: frames coded, and a JSON that says what they are."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Iterator, Sequence
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
from .coded_stream import CodedFrame, CodedStream, RGBFrame, code_depth, code_rgb, hash_files
from .depth_codec import DepthFrame
from .depth_frames import reduce_depth
from .fetch_files import SourcePath, blaming_files, local_files
from .joints import read_joints, stored_joints
from .registered_frames import outside_share, registered_joints, registered_recording, warp_to_depth, warp_to_rgb
from .segment import Segment
from .segments import contract, cut_segments
from .write_shard import Sample

_ASPECT_TOLERANCE = 0.2
_REMEMBERED = 8
"""Slots by which depth may run ahead of RGB."""


def build_samples(
    planned: PlannedRecording,
    dataset: str,
    base: SourcePath,
    config: ShardSection,
    registration: Registration | None = None,
) -> Iterator[Sample]:
    """Decode a recording; one sample, or segments of at most `max_frames` with keys KEY-s00, KEY-s01, …

    registration: that of the recording's (setup, camera), used where it has RGB and depth. One segment at a time is in
    memory. Raises BadSampleError where a stream cannot be used, if need be after some of the segments: then none of
    them counts. Of a source behind a URI, the files are there from the first segment to the last.
    """
    with local_files(base, planned.recording.files) as files, blaming_files():
        yield from _samples_of(planned, dataset, files, config, registration)


def _samples_of(
    planned: PlannedRecording,
    dataset: str,
    files: dict[str, Path],
    config: ShardSection,
    registration: Registration | None,
) -> Iterator[Sample]:
    recording = planned.recording
    if not files.keys() & {"rgb", "depth"}:
        raise BadSampleError(
            "no-frames", f"{recording.path} has {', '.join(files) or 'no files'} only; RGB or depth is needed"
        )
    if registration is None or not {"rgb", "depth"} <= files.keys():
        registration, streams = None, _open_streams(files, recording, config)
    else:
        streams = _open_registered(files, recording, config, registration)
        recording = registered_recording(recording, registration, config.registered_frame)
    joints = read_joints(files["skeleton"], files.get("skeleton_screen")) if "skeleton" in files else None
    if joints is not None and registration is not None:
        joints = registered_joints(joints, registration, config.registered_frame)
    fps, time_source = _rate(streams, recording.fps)
    source_hash = hash_files(files)
    counts = {name: stream.schedule.demuxed for name, stream in streams.items()}
    common: dict[str, Any] = {
        "recording_id": recording.recording_id,
        "dataset": dataset,
        "source": {"path": recording.path, "sha256": source_hash},
        **{name: getattr(recording, name) for name in ("label", "label_name", "splits", "subject", "camera", "setup")},
        "fps": fps,
        "timestamps": time_source,
        "pairing": "relative-time" if recording.relative_time else "order",
        "source_frame_counts": counts | ({} if joints is None else {"skeleton": len(joints)}),
    }
    for segment in cut_segments(streams, config):
        whole = segment.number == 0 and segment.end is None
        key = planned.key if whole else f"{planned.key}-s{segment.number:02d}"
        count, sizes = len(segment.slots), {name: stream.size for name, stream in streams.items()}
        meta = common | {
            "key": key,
            "frames": [segment.start, segment.start + count],
            "source_slots": segment.slots,
            **_picked_slots(segment, streams),
            "timestamps_us": _times(segment, fps, time_source),
            "sizes": sizes,
            "source_sizes": {name: stream.source_size for name, stream in streams.items()},
            "intrinsics": _intrinsics(recording, streams),
            "registration": registration and _registration_meta(registration, config.registered_frame, sizes["rgb"]),
            "decode": contract(segment, streams, config),
        }
        members = _frame_members(segment, config.depth_codec)
        if joints is not None:
            members["joints.npy"] = npy_bytes(stored_joints(_joints_at(joints, segment.slots), recording, sizes))
        members["json"] = json.dumps(meta, sort_keys=True, indent=1).encode()
        shared = config.registered_frame if registration else None
        sample = Sample(key, members, count, fps, source_hash, registered=shared, counts={"frames": count})
        del members, segment
        yield sample
        del sample  # the next segment is decoded without this one in memory


def _open_streams(files: dict[str, Path], recording: Recording, config: ShardSection) -> dict[str, CodedStream]:
    streams = {}
    if "rgb" in files:
        streams["rgb"] = code_rgb(files["rgb"], config)
    if "depth" in files:
        streams["depth"] = code_depth(files["depth"], recording.depth_unit_mm, config)
    if recording.relative_time and len(streams) == 2:
        streams["depth"].fps = recording.fps
        streams["rgb"].follow(streams["depth"])
    return streams


def _open_registered(
    files: dict[str, Path], recording: Recording, config: ShardSection, registration: Registration
) -> dict[str, CodedStream]:
    """RGB and depth at one size, pixel on pixel; the stream whose frame they share comes first in every slot."""
    if config.registered_frame == "rgb":
        rgb = code_rgb(files["rgb"], config)
        depth = code_depth(
            files["depth"], recording.depth_unit_mm, config, lambda frame, _: warp_to_rgb(frame, registration, rgb.size)
        )
        return {"rgb": rgb, "depth": depth}
    known: dict[int, DepthFrame] = {}
    ahead: deque[CodedFrame] = deque()

    def remember(frame: DepthFrame, slot: int) -> DepthFrame:
        for old in [number for number in known if number < slot - _REMEMBERED]:
            del known[old]
        known[slot] = reduce_depth(frame, config.short_side)
        return known[slot]

    def register(frame: RGBFrame, slot: int) -> RGBFrame:
        while max(known) < slot and (later := next(source, None)):  # RGB that lost frames runs ahead of depth
            ahead.append(later)
        return warp_to_depth(frame, registration, depth.size, known.get(slot))

    def in_turn() -> Iterator[CodedFrame]:
        while frame := ahead.popleft() if ahead else next(source, None):
            yield frame

    depth = code_depth(files["depth"], recording.depth_unit_mm, config, remember)
    source, depth.frames = depth.frames, in_turn()
    return {"depth": depth, "rgb": code_rgb(files["rgb"], config, register)}


def _registration_meta(registration: Registration, frame: RegisteredFrame, size: tuple[int, int]) -> dict[str, Any]:
    """The fit, the frame that RGB and depth share, and the share of it that the other camera does not see."""
    outside = outside_share(registration, size, frame)
    return registration.model_dump(mode="json") | {"frame": frame, "outside": outside, "hash": registration.hash}


def npy_bytes(array: npt.NDArray[Any]) -> bytes:
    """The .npy file of an array."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _picked_slots(segment: Segment, streams: dict[str, CodedStream]) -> dict[str, list[int]]:
    """Where RGB follows depth: which of its own frames are stored."""
    picks = streams["rgb"].picks if "rgb" in streams else ()
    return {"rgb_slots": [picks[slot] for slot in segment.slots]} if picks else {}


def _rate(streams: dict[str, CodedStream], recording_fps: float | None) -> tuple[float, str]:
    """Frames per second, and where timestamps come from: the file, or the nominal rate."""
    rgb = streams.get("rgb")
    if rgb is not None and rgb.picks:  # depth is the clock
        rgb = None
    fps = (rgb.fps if rgb else None) or recording_fps
    if rgb is None or not rgb.schedule.has_times:
        if fps is None:
            raise BadSampleError("no-timing", "the file states neither increasing timestamps nor a frame rate")
        return fps, "nominal"
    return fps or _measured_fps(rgb.schedule.times_us), "presentation"


def _measured_fps(times_us: Sequence[int]) -> float:
    if len(times_us) < 2:
        raise BadSampleError("no-timing", "a single frame without a frame rate")
    return round((len(times_us) - 1) * 1_000_000 / (times_us[-1] - times_us[0]), 6)


def _times(segment: Segment, fps: float, source: str) -> list[int]:
    """Microseconds of each frame from the first of the recording; what is missing leaves its time empty."""
    if source == "nominal":
        return [round(slot * 1_000_000 / fps) for slot in segment.slots]
    return [time for time in segment.times_us if time is not None]


def _joints_at(joints: npt.NDArray[np.float32], slots: list[int]) -> npt.NDArray[np.float32]:
    """Joints of the frames in these slots; NaN beyond the end of the skeleton file."""
    found = np.full((len(slots), *joints.shape[1:]), np.nan, np.float32)
    known = np.array(slots) < len(joints)
    found[known] = joints[np.array(slots)[known]]
    return found


def _intrinsics(recording: Recording, streams: dict[str, CodedStream]) -> dict[str, dict[str, float]]:
    if "depth" not in streams:
        return {}
    camera, (width, height) = recording.depth_camera, streams["depth"].size
    assert camera is not None
    if abs(width * camera.height / (height * camera.width) - 1) > _ASPECT_TOLERANCE:
        raise BadSampleError(
            "depth-aspect",
            f"depth of {width}x{height} px is not the image of a {camera.width}x{camera.height} camera: width and "
            "height are swapped, or another camera took it",
        )
    return {"depth": asdict(camera.resized(width, height))}


def camera_of(meta: dict[str, Any]) -> Camera:
    """Intrinsics of the stored depth frames of a sample's JSON; BadSampleError where it has none."""
    if "depth" not in meta["intrinsics"]:
        raise BadSampleError("no-intrinsics", f"{meta['key']}: depth without its camera's focal length; shard it again")
    return Camera(**meta["intrinsics"]["depth"])


def _frame_members(segment: Segment, codec: str) -> dict[str, bytes]:
    extensions = {"rgb": "jpg", "depth": codec}
    return {
        f"{name}.{i:04d}.{extensions[name]}": data
        for name, frames in segment.frames.items()
        for i, data in enumerate(frames)
    }
