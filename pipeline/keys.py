"""Keys: the names under which samples stand in every artefact."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Sequence

# USTAR holds 100 bytes of name; the longest member suffix is ".depth.00000.png16" and a segment adds "-s00"
_LONGEST = 72

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LIKE_A_SEGMENT = re.compile(r"-s\d+$")


def slug(path: str) -> tuple[str, bool]:
    """`path` without its extension in [A-Za-z0-9_-], and whether that name alone could stand for another."""
    stem = posixpath.splitext(path)[0]  # a Path would cost several times as much, which a million recordings feel
    name = _UNSAFE.sub("_", stem).strip("_") or "recording"
    lossy = not stem.isascii() or len(name) > _LONGEST - 9
    # "-s00" is what a segment of another recording ends with
    return name[: _LONGEST - 9], lossy or _LIKE_A_SEGMENT.search(name) is not None


def unique_keys(paths: Sequence[str]) -> list[str]:
    """One key a path: its slug, with 8 hex digits of the path's hash where the slug alone is shared or lossy."""
    slugs = [slug(path) for path in paths]
    uses = Counter(name.lower() for name, _ in slugs)
    keys = [
        f"{name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}" if shortened or uses[name.lower()] > 1 else name
        for path, (name, shortened) in zip(paths, slugs, strict=True)
    ]
    if len(set(keys)) != len(keys):
        twice = next(key for key, count in Counter(keys).items() if count > 1)
        raise ValueError(f"two recordings have the key {twice}: is a path listed twice?")
    return keys
