"""PNG and animated PNG from arrays, with the standard library alone: for machines that have no image library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2


def png_bytes(image: Image) -> bytes:
    """A PNG of an image uint8 (H, W) or (H, W, 3)."""
    return _SIGNATURE + _header(image) + _chunk(b"IDAT", _pixels(image)) + _chunk(b"IEND", b"")


def animated_png_bytes(images: Sequence[Image], frames_per_s: int = 5) -> bytes:
    """An endless animation of images of one size; viewers without animation show the first."""
    if len({(image.shape, str(image.dtype)) for image in images}) != 1:
        raise ValueError("the images of an animation have one size, and there is one at least")
    parts = [_SIGNATURE, _header(images[0]), _chunk(b"acTL", struct.pack(">II", len(images), 0))]
    height, width = images[0].shape[:2]
    sequence = 0
    for number, image in enumerate(images):
        control = struct.pack(">IIIIIHHBB", sequence, width, height, 0, 0, 1, frames_per_s, 0, 0)
        parts.append(_chunk(b"fcTL", control))
        sequence += 1
        if number == 0:
            parts.append(_chunk(b"IDAT", _pixels(image)))
        else:
            parts.append(_chunk(b"fdAT", struct.pack(">I", sequence) + _pixels(image)))
            sequence += 1
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _header(image: Image) -> bytes:
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"an image is uint8 (H, W) or (H, W, 3), got {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _GREY if image.ndim == 2 else _RGB, 0, 0, 0))


def _pixels(image: Image) -> bytes:
    """Rows with filter 0 before each."""
    rows = np.ascontiguousarray(image).reshape(len(image), -1)
    return zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes(), 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
