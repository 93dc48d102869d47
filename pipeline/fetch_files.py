"""A source behind a URI: opened for listing, and its files fetched to where decoders can read them."""

from __future__ import annotations

import errno
import os
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from upath import UPath

from ..schemas.errors import BadSampleError, MotionpipeError

SourcePath: TypeAlias = Path | UPath
"""A file or folder of a source: a `Path` on this machine, a `UPath` behind any other URI that fsspec opens."""
_BUGS = (AssertionError, AttributeError, NameError)
"""Faults of a program, never of a source."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_NO_FILE_TO_BLAME = (*_NO_SPACE, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def open_source(text: str) -> SourcePath:
    """What `--source` names: a local path, also spelt file://, or a URI; one clear error where nothing opens it.

    Whether something is there is not looked at.
    """
    local = text.removeprefix("file://")
    if "://" not in local:
        return Path(local).expanduser().resolve()
    with reaching(text):
        source = UPath(text)
        _ = source.fs  # imports the library of this kind of URI
        return source


@contextmanager
def reaching(source: SourcePath | str) -> Iterator[None]:
    """The block in which a URI is opened or listed: its errors become one clear line."""
    try:
        yield
    except (MotionpipeError, *_BUGS):
        raise
    except Exception as error:
        if isinstance(source, Path):
            raise
        text = str(error) or type(error).__name__
        raise MotionpipeError(f"source {source} cannot be read: {text}") from error


def join(base: SourcePath, path: str) -> SourcePath:
    """`base / path`; of a URI, whose parts mean nothing to fsspec, "." and ".." are worked out."""
    return base / path if isinstance(base, Path) else _join_uri(base, path)


def _join_uri(base: UPath, path: str) -> UPath:
    path = posixpath.normpath(path)
    while path == ".." or path.startswith("../"):
        base, path = base.parent, path[3:] or "."
    return base if path == "." else base / path


@contextmanager
def blaming_files() -> Iterator[None]:
    """The block in which one recording's files are read: what the system says of them is that recording's error alone.

    Raises BadSampleError for a link to nothing, a missing permission or a bad sector.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_FILE_TO_BLAME:
            raise
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise BadSampleError("unreadable-file", f"{what}; copy it again, or give the right to read it") from error


@contextmanager
def local_files(base: SourcePath, files: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """Stream to local path of `files`, paths relative to `base`; a fetched copy is removed when the block ends.

    A local base gives the paths themselves. A path may be a folder of files. One that is missing is missing in the copy
    too. Errors name the source's file, not its copy. Raises BadSampleError where a file cannot be fetched.
    """
    if isinstance(base, Path):
        yield {name: base / path for name, path in files.items()}
        return
    remote = {name: _join_uri(base, path) for name, path in files.items()}
    with tempfile.TemporaryDirectory(prefix="motionpipe-") as folder:
        # the name says how a file is laid out; two streams may have files of one name
        local = {name: Path(folder, name, path.name) for name, path in remote.items()}
        try:
            _fetch(base, {local[name]: path for name, path in remote.items()})
            yield local
        except BadSampleError as error:
            raise BadSampleError(error.reason, _named(error.detail, local, remote)) from error
        except MotionpipeError as error:
            raise MotionpipeError(_named(str(error), local, remote)) from error


def _fetch(base: UPath, wanted: Mapping[Path, UPath]) -> None:
    """Copy files, and the files of folders, all in one call: fsspec fetches them side by side where it can."""
    try:
        pairs = [pair for local, remote in wanted.items() for pair in _pairs(remote, local)]
        for _, target in pairs:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        if pairs:
            base.fs.get([remote for remote, _ in pairs], [target for _, target in pairs])
    except _BUGS:
        raise
    except Exception as error:  # each library behind fsspec has errors of its own
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            raise
        text = str(error) or type(error).__name__
        raise BadSampleError("unreachable-file", f"a file below {base} cannot be fetched ({text}); retry it") from error


def _pairs(remote: UPath, local: Path) -> list[tuple[str, str]]:
    """(path in the source, local path) of a file or of each file of a folder; none where it is missing."""
    fs, path = remote.fs, remote.path.rstrip("/")
    try:
        info = fs.info(path)
    except FileNotFoundError:
        return []
    # HTTP calls every folder a file
    if info["type"] != "directory" and (remote.suffix or not remote.is_dir()):
        return [(path, str(local))]
    local.mkdir(parents=True)
    names = (entry["name"] for entry in fs.ls(path, detail=True) if entry["type"] == "file")
    # an object store may list the folder among its own files
    return [(name, str(local / name.rsplit("/", 1)[-1])) for name in names if name.rstrip("/") != path]


def _named(text: str, local: Mapping[str, Path], remote: Mapping[str, UPath]) -> str:
    for name, path in local.items():
        text = text.replace(str(path), str(remote[name]))
    return text
