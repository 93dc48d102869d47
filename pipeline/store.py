"""The store: a folder or URI in which everything that is written is whole or absent."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import fsspec

from ..schemas.errors import MotionpipeError

_TEMPORARY = ".tmp-"
_NOTE = 1024  # bytes


@dataclass(frozen=True)
class Store:
    """Files below `uri`; names are relative, with forward slashes."""

    uri: str

    @classmethod
    def at(cls, location: str) -> Store:
        """A store at a local path or an fsspec URI; one clear error where nothing can open that kind of URI."""
        location = location.removeprefix("file://")
        if "://" not in location:
            return cls(str(Path(location).expanduser().resolve()))
        try:
            fsspec.core.url_to_fs(location)
        except (ImportError, ValueError) as error:
            raise MotionpipeError(f"store {location} cannot be opened: {error}") from error
        return cls(location)

    @property
    def is_local(self) -> bool:
        """Whether the store is a folder of this machine."""
        return "://" not in self.uri

    def local_path(self, name: str) -> Path:
        """Path of `name`; the store must be a local folder."""
        if not self.is_local:
            raise ValueError(f"{self.uri} is not a local folder")
        return Path(self.uri, name)

    def exists(self, name: str) -> bool:
        """Whether a file or folder of this name is there."""
        fs, path = self._resolve(name)
        return bool(fs.exists(path))

    def read_bytes(self, name: str) -> bytes:
        """The whole file; FileNotFoundError where there is none."""
        fs, path = self._resolve(name)
        return cast(bytes, fs.cat_file(path))

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`."""
        fs, path = self._resolve(name)
        return cast(bytes, fs.cat_file(path, start=offset, end=offset + size))

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """The file as a stream that can seek; FileNotFoundError where there is none."""
        fs, path = self._resolve(name)
        with fs.open(path, "rb") as stream:
            yield stream

    def list(self, folder: str) -> list[str]:
        """Names (without folder) of the finished files and folders in `folder`, sorted; empty where it is absent."""
        fs, path = self._resolve(folder)
        if not fs.isdir(path):
            return []
        names = (entry.rstrip("/").rsplit("/", 1)[-1] for entry in fs.ls(path, detail=False))
        return sorted(name for name in names if _TEMPORARY not in name)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        with self.writing(name) as stream:
            stream.write(data)

    def write_note(self, name: str, data: bytes) -> None:
        """Write a small file that survives the process, but need not survive a power cut; padded with spaces.

        In a local store it is overwritten in place: 16 µs, where a rename, of which ext4 makes a flush, takes 1 ms.
        """
        fs, path = self._resolve(name)
        padded = data.ljust(_NOTE)
        assert len(padded) == _NOTE, f"a note of {len(data)} bytes"
        if self.is_local:
            os.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, padded)
            finally:
                os.close(descriptor)
        else:
            fs.pipe_file(path, padded)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a log; a log is the one kind of file that grows."""
        fs, path = self._resolve(name)
        fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with fs.open(path, "ab") as stream:
            stream.write(data)

    def remove(self, name: str) -> None:
        """Remove one file."""
        fs, path = self._resolve(name)
        fs.rm_file(path)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A stream whose content appears under `name` when the block ends without an error, and only then."""
        fs, path = self._resolve(name)
        fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        temporary = f"{path}{_TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
        try:
            with fs.open(temporary, "wb") as stream:
                yield stream
                if self.is_local:
                    stream.flush()
                    os.fsync(stream.fileno())
            if self.is_local:
                os.replace(temporary, path)
                _sync_folder(path.rsplit("/", 1)[0])
            else:
                fs.mv(temporary, path)
        except BaseException:
            if fs.exists(temporary):
                fs.rm_file(temporary)
            raise

    def remove_unfinished(self, folder: str) -> None:
        """Remove what killed writers left behind in `folder`."""
        fs, path = self._resolve(folder)
        if fs.isdir(path):
            for entry in fs.ls(path, detail=False):
                if _TEMPORARY in entry.rsplit("/", 1)[-1]:
                    fs.rm_file(entry)

    def _resolve(self, name: str) -> tuple[Any, str]:
        fs, root = fsspec.core.url_to_fs(self.uri)
        return fs, f"{root.rstrip('/')}/{name}" if name else root


def _sync_folder(path: str) -> None:
    """Make a rename durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
