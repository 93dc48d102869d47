"""Sample tars that plain webdataset opens: USTAR, members sorted and adjacent, no times, no owners.

The same samples give the same bytes. Byte offsets are kept, so that one frame can be read without the rest.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

_BLOCK = 512
_RECORD = 20 * _BLOCK


@dataclass(frozen=True)
class Mark:
    """A state of a writer that `rollback` returns to."""

    size_bytes: int
    samples: int
    sha256: Any  # hashlib does not name its type


class TarShardWriter:
    """Writes samples to a stream that can be truncated; call `close` once after the last."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self._keys: dict[str, None] = {}  # in order, so that the last can be taken back
        self._start = stream.tell()
        self.size_bytes = 0

    def add(self, key: str, members: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
        """Append one sample; returns (offset, size) of each member's content."""
        if key in self._keys or "." in key:
            raise ValueError(f"key {key!r} is written already or holds a dot")
        self._keys[key] = None
        places = {}
        for name in sorted(members):
            content = members[name]
            self._write(_header(f"{key}.{name}", len(content)))
            places[name] = (self.size_bytes, len(content))
            self._write(content)
            self._write(b"\0" * (-len(content) % _BLOCK))
        return places

    def mark(self) -> Mark:
        """The state before the next sample."""
        return Mark(self.size_bytes, len(self._keys), self._sha256.copy())

    def rollback(self, mark: Mark) -> None:
        """Take back everything that was written after `mark`, as if it had never been."""
        if mark.size_bytes == self.size_bytes:
            return
        self._stream.seek(self._start + mark.size_bytes)
        self._stream.truncate()
        self.size_bytes, self._sha256 = mark.size_bytes, mark.sha256.copy()
        while len(self._keys) > mark.samples:
            self._keys.popitem()

    def close(self) -> str:
        """Write the end-of-archive blocks; returns the sha256 hex digest of all bytes."""
        self._write(b"\0" * 2 * _BLOCK)
        self._write(b"\0" * (-self.size_bytes % _RECORD))
        return self._sha256.hexdigest()

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._sha256.update(data)
        self.size_bytes += len(data)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(format=tarfile.USTAR_FORMAT)
