"""A sample tar against its report: the bytes, the members, and where they lie."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from ..schemas.report import SampleEntry, ShardReport
from .artefacts import tar_name
from .store import Store

_BLOCK = 512
_RECORD = 20 * _BLOCK

Visit = Callable[[SampleEntry, dict[str, bytes]], Iterable[str]]
"""Checks the content of one sample (member name without the key to bytes); says what is wrong."""


class DamagedTarError(ValueError):
    """The tar cannot be read on from here."""


def check_tar(store: Store, folder: str, report: ShardReport, visit: Visit | None = None) -> list[str]:
    """What is wrong with a shard's tar; `visit` sees the samples that the report lists, in the tar's order."""
    name = f"{folder}/{tar_name(report.shard)}"
    if not store.exists(name):
        return ["is missing"]
    problems: list[str] = []
    entries = {entry.key: entry for entry in report.samples}
    order: list[str] = []
    with store.reading(name) as stream:
        hashing = _HashingReader(stream)
        try:
            for key, places, contents in _samples(hashing):
                order.append(key)
                problems += _compare(key, places, entries.get(key))
                if visit and key in entries:
                    problems += [f"{key}: {problem}" for problem in visit(entries[key], contents)]
        except DamagedTarError as error:
            problems.append(str(error))
        hashing.read_rest()
    problems += [f"{key} is in the report and not in the tar" for key in entries if key not in set(order)]
    if order != list(dict.fromkeys(order)):
        problems.append("members of a sample are not adjacent, or a key comes twice")
    elif not problems and order != list(entries):
        problems.append("samples stand in another order than in the report")
    if (hashing.size, hashing.sha256()) != (report.size_bytes, report.sha256):
        problems.insert(
            0, f"its bytes are not those of its report ({hashing.size} B here, {report.size_bytes} B there)"
        )
    return problems


class _HashingReader:
    """Reads a stream in order, once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._digest, self.size = stream, hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    def read_rest(self) -> None:
        while self.read(1 << 20):
            pass

    def sha256(self) -> str:
        return self._digest.hexdigest()


def _samples(stream: _HashingReader) -> Iterator[tuple[str, dict[str, tuple[int, int]], dict[str, bytes]]]:
    """(key, places of its members, their contents) of each run of members with one key."""
    current, places, contents = "", dict[str, tuple[int, int]](), dict[str, bytes]()
    for full_name, offset, content in _members(stream):
        key, _, name = full_name.partition(".")
        if key != current and places:
            yield current, places, contents
            places, contents = {}, {}
        if places and name <= next(reversed(places)):
            raise DamagedTarError(f"{full_name} stands behind {next(reversed(places))}: members are not sorted")
        current, places[name], contents[name] = key, (offset, len(content)), content
    if places:
        yield current, places, contents


def _members(stream: _HashingReader) -> Iterator[tuple[str, int, bytes]]:
    """(name, offset of the content, content) of each member, up to the closing blocks."""
    while True:
        at = stream.size
        header = stream.read(_BLOCK)
        if header == bytes(_BLOCK):
            break
        if len(header) < _BLOCK:
            raise DamagedTarError(f"ends at byte {at} without the closing blocks: it was cut")
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise DamagedTarError(f"no member begins at byte {at} ({error})") from error
        plain = (info.type, info.mtime, info.uid, info.gid, header[257:263]) == (tarfile.REGTYPE, 0, 0, 0, b"ustar\0")
        if not plain or "." not in info.name:
            raise DamagedTarError(f"{info.name!r} at byte {at} is not a member as motionpipe writes them")
        content = stream.read(info.size)
        padding = -info.size % _BLOCK
        if len(content) < info.size or stream.read(padding) != bytes(padding):
            raise DamagedTarError(f"{info.name} ends before its {info.size} bytes or is followed by others")
        yield info.name, at + _BLOCK, content
    rest = stream.read(_RECORD)
    if stream.size % _RECORD or rest.strip(b"\0") or stream.read(1):
        raise DamagedTarError("does not end with the closing blocks alone")


def _compare(key: str, places: dict[str, tuple[int, int]], entry: SampleEntry | None) -> list[str]:
    if entry is None:
        return [f"{key} is in the tar and not in the report"]
    listed = entry.members
    problems = [f"{key}: {name} is not in the tar" for name in listed if name not in places]
    problems += [f"{key}: {name} is not in the report" for name in places if name not in listed]
    problems += [
        f"{key}: {name} lies at byte {place[0]} with {place[1]} bytes, the report says {tuple(listed[name])}"
        for name, place in places.items()
        if name in listed and place != tuple(listed[name])
    ]
    return problems
