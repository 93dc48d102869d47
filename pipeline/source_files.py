"""Files of a dataset's source: the few ways in which adapters list and read them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..schemas.errors import MotionpipeError


def list_names(source: Path, folder: str) -> list[str]:
    """Names of the entries of `folder` below `source`, sorted; none where it is absent."""
    path = source / folder
    return sorted(os.listdir(path)) if path.is_dir() else []


def walk_files(source: Path, suffixes: Iterable[str]) -> list[str]:
    """Paths relative to `source`, with forward slashes and sorted, of all files that end so (in any case).

    Hidden files are left out, among them the `._` files that macOS leaves in archives.
    """
    wanted = tuple(suffix.lower() for suffix in suffixes)
    found: list[str] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(source, followlinks=True):
        # a link to a folder is followed, but no folder is walked twice
        seen.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(folder, name)) not in seen]
        matching = [name for name in names if name.lower().endswith(wanted) and not name.startswith(".")]
        if matching:
            prefix = os.path.relpath(folder, source).replace(os.sep, "/")
            found += matching if prefix == "." else [f"{prefix}/{name}" for name in matching]
    return sorted(found)


def first_folder_with(source: Path, folders: Iterable[str], name: str) -> str:
    """The first of `folders` that holds the file `name`; one clear error where none does."""
    listed = list(folders)
    for folder in listed:
        if (source / folder / name).is_file():
            return folder
    places = ", ".join(str(PurePosixPath(folder, name)) for folder in listed)
    raise MotionpipeError(f"{source} holds no {name}: expected {places}, from the dataset's own release")


def read_text(source: Path, name: str) -> str:
    """A text file in UTF-8; one clear error where it is missing or something else."""
    path = source / name
    if not path.is_file():
        raise MotionpipeError(f"{path} is missing; copy it from the dataset's own release")
    try:
        return path.read_bytes().decode("utf-8-sig")
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
    source: Path, recording: re.Pattern[str], endings: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Recordings below `source` whose files are named RECORDING + ending: name, sorted, to stream to path.

    `recording` is what a whole name must match; of the endings of a stream, the first that is there counts.
    """
    every = [ending for choices in endings.values() for ending in choices]
    named: dict[str, list[tuple[str, str]]] = {ending: [] for ending in every}
    for path in walk_files(source, every):
        name = path.rsplit("/", 1)[-1]
        for ending in every:
            if name.endswith(ending) and recording.fullmatch(name.removesuffix(ending)):
                named[ending].append((name.removesuffix(ending), path))
    found: dict[str, dict[str, str]] = {}
    for stream, choices in endings.items():
        for ending in choices:
            by_file_name(path for _, path in named[ending])
            for name, path in named[ending]:
                found.setdefault(name, {}).setdefault(stream, path)
    return dict(sorted(found.items()))
