"""Lossless codes of uint16 depth frames.

d16: a 12-byte header (magic "D16\\1", uint32 height, uint32 width, little-endian), then zstd of the rows' left-to-right
differences, zigzag-coded so that small steps of either sign are small numbers, low bytes first, then high bytes.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

DepthFrame = npt.NDArray[np.uint16]
_MAGIC = b"D16\x01"
_HEADER = struct.Struct("<4sII")
_LARGEST_SIDE = 8192


def encode_d16(depth: DepthFrame) -> bytes:
    """d16 bytes of a uint16 (H, W) frame."""
    height, width = depth.shape
    delta = np.diff(depth, axis=1, prepend=np.uint16(0)).view(np.int16)
    zigzag = ((delta << 1) ^ (delta >> 15)).view(np.uint16)
    planes = np.stack([zigzag & 0xFF, zigzag >> 8]).astype(np.uint8)
    packed: bytes = pa.Codec("zstd", compression_level=1).compress(planes.tobytes(), asbytes=True)
    return _HEADER.pack(_MAGIC, height, width) + packed


def decode_d16(data: bytes) -> DepthFrame:
    """The uint16 (H, W) frame of d16 bytes; ValueError where they are damaged."""
    if len(data) < _HEADER.size:
        raise ValueError("d16: too short for its header")
    magic, height, width = _HEADER.unpack_from(data)
    if magic != _MAGIC or not 0 < height <= _LARGEST_SIDE or not 0 < width <= _LARGEST_SIDE:
        raise ValueError("d16: wrong header")
    size = 2 * height * width
    try:
        raw = pa.Codec("zstd").decompress(data[_HEADER.size :], decompressed_size=size, asbytes=True)
    except OSError as error:
        raise ValueError(f"d16: damaged content ({error})") from error
    low, high = np.frombuffer(raw, np.uint8).reshape(2, height, width).astype(np.uint16)
    zigzag = low | (high << 8)
    delta = (zigzag >> 1) ^ (np.uint16(0) - (zigzag & 1))
    return np.cumsum(delta, axis=1, dtype=np.uint16)


def encode_png16(depth: DepthFrame) -> bytes:
    """16-bit PNG bytes of a uint16 (H, W) frame."""
    done, data = cv2.imencode(".png", depth)
    assert done
    return data.tobytes()


def decode_png16(data: bytes) -> DepthFrame:
    """The uint16 (H, W) frame of 16-bit PNG bytes; ValueError where they are damaged or of another kind."""
    # OpenCV raises an error of its own where there is no byte at all
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None or image.dtype != np.uint16 or image.ndim != 2:
        raise ValueError("png16: not a 16-bit grey PNG")
    return np.asarray(image, dtype=np.uint16)


ENCODERS = {"d16": encode_d16, "png16": encode_png16}
DECODERS = {"d16": decode_d16, "png16": decode_png16}
