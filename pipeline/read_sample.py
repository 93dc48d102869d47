"""Stored samples back to arrays, reading from the tar only the bytes that are needed."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from ..schemas.clip import Clip
from ..schemas.errors import MotionpipeError
from ..schemas.report import SampleEntry
from . import depth_codec
from .artefacts import tar_name
from .samples import camera_of
from .store import Store


def read_members(store: Store, folder: str, shard: int, entry: SampleEntry, names: Sequence[str]) -> dict[str, bytes]:
    """The named members of a sample, in one read that spans them all."""
    places = {name: entry.members[name] for name in names}
    first = min(offset for offset, _ in places.values())
    last = max(offset + size for offset, size in places.values())
    name = f"{folder}/{tar_name(shard)}"
    data = store.read_range(name, first, last - first)
    if len(data) != last - first:
        raise MotionpipeError(f"{name} in {store.uri} is shorter than its report says; copy it again or make it anew")
    return {name: data[offset - first : offset - first + size] for name, (offset, size) in places.items()}


def read_array(store: Store, folder: str, shard: int, entry: SampleEntry, name: str) -> npt.NDArray[Any]:
    """One .npy member of a sample."""
    data = read_members(store, folder, shard, entry, [name])[name]
    array: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def read_meta(store: Store, folder: str, shard: int, entry: SampleEntry) -> dict[str, Any]:
    """The JSON member of a sample."""
    meta: dict[str, Any] = json.loads(read_members(store, folder, shard, entry, ["json"])["json"])
    return meta


def has_stream(entry: SampleEntry, stream: str) -> bool:
    """Whether the sample holds frames of "rgb" or "depth", or generated "frames"."""
    return f"{stream}.npy" in entry.members or any(name.startswith(f"{stream}.0000.") for name in entry.members)


def read_frames(
    store: Store, folder: str, shard: int, entry: SampleEntry, stream: str, frames: Sequence[int]
) -> npt.NDArray[Any]:
    """Frames of a stream: rgb uint8 (T, H, W, 3), depth uint16 (T, H, W) in millimetres, "frames" uint8 (T, H, W)."""
    if f"{stream}.npy" in entry.members:
        return read_array(store, folder, shard, entry, f"{stream}.npy")[list(frames)]
    extension = next(name for name in entry.members if name.startswith(f"{stream}.0000.")).rsplit(".", 1)[-1]
    names = [f"{stream}.{i:04d}.{extension}" for i in frames]
    members = read_members(store, folder, shard, entry, names)
    if stream == "rgb":
        return np.stack([simplejpeg.decode_jpeg(members[name]) for name in names])
    return np.stack([depth_codec.DECODERS[extension](members[name]) for name in names])


def read_clip(store: Store, folder: str, shard: int, entry: SampleEntry, streams: Sequence[str]) -> Clip:
    """The whole sample with the given streams."""
    meta = read_meta(store, folder, shard, entry)
    frames = range(entry.num_frames)
    arrays = {stream: read_frames(store, folder, shard, entry, stream, frames) for stream in streams}
    return Clip(
        key=entry.key,
        timestamps_us=np.array(meta["timestamps_us"], dtype=np.int64),
        rgb=arrays.get("rgb"),
        depth=arrays.get("depth"),
        depth_camera=camera_of(meta) if "depth" in arrays else None,
        source_slots=np.array(meta["source_slots"], dtype=np.int64) if "source_slots" in meta else None,
    )
