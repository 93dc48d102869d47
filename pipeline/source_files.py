"""Files of a dataset's source: the few ways in which adapters list and read them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from upath import UPath

from ..schemas.errors import MotionpipeError
from .fetch_files import SourcePath, join, reaching


def list_names(source: SourcePath, folder: str) -> list[str]:
    """Names of the entries of `folder` below `source`, sorted; none where it is absent."""
    path = join(source, folder)
    if isinstance(path, Path):
        return sorted(os.listdir(path)) if path.is_dir() else []
    with reaching(source):
        entries = path.fs.ls(path.path, detail=False) if path.is_dir() else []
    return sorted(entry.rstrip("/").rsplit("/", 1)[-1] for entry in entries)


def walk_files(source: SourcePath, suffixes: Iterable[str]) -> list[str]:
    """Paths relative to `source`, with forward slashes and sorted, of all files that end so (in any case).

    Hidden files are left out, among them the `._` files that macOS leaves in archives. One clear error where a folder
    cannot be listed, for what lies in it would be missing in silence, or where a name is no text.
    """
    wanted = tuple(suffix.lower() for suffix in suffixes)
    if not isinstance(source, Path):
        return _walk_uri(source, wanted)
    found: list[str] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(source, onerror=_refuse_folder, followlinks=True):
        # a link to a folder is followed, but no folder is walked twice
        seen.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(folder, name)) not in seen]
        matching = [name for name in names if name.lower().endswith(wanted) and not name.startswith(".")]
        if matching:
            prefix = os.path.relpath(folder, source).replace(os.sep, "/")
            found += matching if prefix == "." else [f"{prefix}/{name}" for name in matching]
    for path in found:
        if not _is_text(path):
            raise MotionpipeError(f"{os.fsencode(path)!r} below {source} is not named in UTF-8; rename it")
    return sorted(found)


def _refuse_folder(error: OSError) -> None:
    raise MotionpipeError(f"{error.filename} cannot be listed: {error.strerror}; make it readable or move it out")


def _is_text(path: str) -> bool:
    """Whether the bytes of a file's name are UTF-8; tables and tars hold nothing else."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk_uri(source: UPath, wanted: tuple[str, ...]) -> list[str]:
    """The same behind a URI, where one listing of everything is far cheaper than one for each folder."""
    root = source.path.rstrip("/") + "/"
    with reaching(source):
        paths = source.fs.find(source.path)
    found = [path.removeprefix(root) for path in paths if path.lower().endswith(wanted)]
    return sorted(path for path in found if not path.rsplit("/", 1)[-1].startswith("."))


def first_folder_with(source: SourcePath, folders: Iterable[str], name: str) -> str:
    """The first of `folders` that holds the file `name`; one clear error where none does."""
    listed = list(folders)
    for folder in listed:
        with reaching(source):
            if join(source, f"{folder}/{name}").is_file():
                return folder
    places = ", ".join(str(PurePosixPath(folder, name)) for folder in listed)
    raise MotionpipeError(f"{source} holds no {name}: expected {places}, from the dataset's own release")


def read_text(source: SourcePath, name: str) -> str:
    """A text file in UTF-8; one clear error where it is missing or something else."""
    path = join(source, name)
    with reaching(source):
        if not path.is_file():
            raise MotionpipeError(f"{path} is missing; copy it from the dataset's own release")
        data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MotionpipeError(f"{path} is not text in UTF-8 ({error})") from error


def by_file_name(paths: Iterable[str]) -> dict[str, str]:
    """File name to path; one clear error where a name stands in two folders, since either might be meant."""
    found: dict[str, str] = {}
    for path in paths:
        name = path.rsplit("/", 1)[-1]
        if name in found:
            raise MotionpipeError(f"{name} is there twice: {found[name]} and {path}; remove one of them")
        found[name] = path
    return found


def streams_by_recording(
    source: SourcePath, recording: re.Pattern[str], endings: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Recordings below `source` whose files are named RECORDING + ending, in any case: name to stream to path.

    `recording` is what a whole name must match; of the endings of a stream, the first that is there counts.
    """
    every = [ending for choices in endings.values() for ending in choices]
    named: dict[str, list[tuple[str, str]]] = {ending: [] for ending in every}
    for path in walk_files(source, every):
        name = path.rsplit("/", 1)[-1]
        for ending in every:
            stem = name[: -len(ending)]
            if name.lower().endswith(ending.lower()) and recording.fullmatch(stem):
                named[ending].append((stem, path))
    found: dict[str, dict[str, str]] = {}
    for stream, choices in endings.items():
        for ending in choices:
            once: dict[str, str] = {}
            for name, path in named[ending]:
                if name in once:
                    raise MotionpipeError(f"{name}{ending} is there twice: {once[name]} and {path}; remove one of them")
                once[name] = path
                found.setdefault(name, {}).setdefault(stream, path)
    return dict(sorted(found.items()))
