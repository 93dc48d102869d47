"""IDX files of unsigned bytes, plain or gzipped: how MNIST keeps its images and labels."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError

if TYPE_CHECKING:
    from .fetch_files import SourcePath

_UNSIGNED_BYTE = 0x08
_MOST_AXES = 4
_MOST_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"


def find_idx(folder: SourcePath, name: str) -> SourcePath | None:
    """The file `name` ("train-images-idx3-ubyte") in a folder, or its .gz, also spelt with ".idx3"; None if absent."""
    for stem in (name, name.replace("-idx", ".idx")):
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    return None


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of an IDX file, read-only; whether it is gzipped is read from its content.

    Raises MotionpipeError where it is no IDX file of unsigned bytes, or shorter or longer than it says.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
            file.seek(0)
            if not zipped:
                return _read(file, path)
            with gzip.GzipFile(fileobj=file) as content:
                return _read(content, path)
    except (OSError, EOFError, zlib.error) as error:
        raise MotionpipeError(f"{path} cannot be read ({error}); download it again") from error


def _read(content: IO[bytes] | gzip.GzipFile, path: Path) -> npt.NDArray[np.uint8]:
    magic = content.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or not 1 <= magic[3] <= _MOST_AXES:
        raise MotionpipeError(f"{path} is not an IDX file: it begins with {magic.hex(' ') or 'nothing'}")
    if magic[2] != _UNSIGNED_BYTE:
        raise MotionpipeError(f"{path} holds values of type 0x{magic[2]:02x}; only unsigned bytes (0x08) are read")
    sizes = content.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise MotionpipeError(f"{path} ends in its header; download it again")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    count = math.prod(shape)
    if not 0 < count <= _MOST_BYTES:
        raise MotionpipeError(f"{path} states a size of {shape}, which is empty or beyond {_MOST_BYTES} bytes")
    # one byte more than stated: finds what is too long, and makes gzip check its sum
    values = content.read(count + 1)
    if len(values) != count:
        found = "more" if len(values) > count else f"only {len(values)}"
        raise MotionpipeError(f"{path} states {count} values and holds {found}; download it again")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)
