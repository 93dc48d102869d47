"""The frames of one stream of a recording, decoded, reduced and coded one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import simplejpeg

from ..schemas.errors import BadSampleError
from ..schemas.recipe import ShardSection
from . import depth_codec
from .decode_video import RGBFrame, iterate_video
from .depth_codec import DepthFrame
from .depth_frames import depth_png_files, iterate_depth, reduce_depth

RegisterRGB = Callable[[RGBFrame, int], RGBFrame]
"""A whole frame of the video and its number to the frame that is stored."""
RegisterDepth = Callable[[DepthFrame], DepthFrame]
_WHOLE = 1 << 30


@dataclass(frozen=True)
class CodedStream:
    """Coded frames of one stream, the sizes [px] that they have and had, and presentation times where there are any."""

    frames: list[bytes]
    width: int
    height: int
    source_width: int
    source_height: int
    pts_us: list[int | None]


def code_rgb(path: Path, config: ShardSection, register: RegisterRGB | None = None) -> CodedStream:
    """Decode, reduce and code the frames of a video; `register` resamples whole frames instead of reducing them."""
    frames: list[bytes] = []
    times: list[int | None] = []
    first = last = None
    height = width = 0
    for frame in iterate_video(path, config.short_side if register is None else _WHOLE):
        first, last = first or frame, frame
        if frame.rgb.shape != first.rgb.shape:
            raise BadSampleError("size-changes", f"{path}: frame {len(frames)} has another size than the first")
        rgb = frame.rgb if register is None else register(frame.rgb, len(frames))
        height, width = rgb.shape[:2]
        frames.append(simplejpeg.encode_jpeg(rgb, quality=config.jpeg_quality, colorsubsampling="420"))
        times.append(frame.pts_us)
    assert first is not None
    assert last is not None
    return CodedStream(frames, width, height, first.source_width, first.source_height, times)


def code_depth(path: Path, unit_mm: float, config: ShardSection, register: RegisterDepth | None = None) -> CodedStream:
    """Read, convert to millimetres, reduce and code depth frames; `register` resamples them instead of reducing."""
    encode = depth_codec.ENCODERS[config.depth_codec]
    frames: list[bytes] = []
    source = stored = (0, 0)
    for depth in iterate_depth(path, unit_mm):
        reduced = reduce_depth(depth, config.short_side) if register is None else register(depth)
        source, stored = depth.shape, reduced.shape
        frames.append(encode(reduced))
    return CodedStream(frames, stored[1], stored[0], source[1], source[0], [])


def hash_files(files: dict[str, Path]) -> str:
    """sha256 over the streams' names and the bytes of their files."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        for file in depth_png_files(path) if path.is_dir() else [path]:
            digest.update(f"{name}/{file.name}\0".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
