import hashlib
import io
import re

import pytest
from motionpipe.pipeline.keys import slug, unique_keys
from motionpipe.pipeline.tar_shard import TarShardWriter


def hashed(name, path):
    return f"{name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("S001C001P001R001A001", "S001C001P001R001A001"),
        ("wave/clip 1.avi", "wave_clip_1"),
        ("a/b/c.d.mp4", "a_b_c_d"),
        ("übung/größe.mp4", "bung_gr_e"),
        ("__x__.avi", "x"),
        ("日本.mp4", "recording"),
        (".hidden", "hidden"),
        ("a/.hidden.mp4", "a_hidden"),
        ("a.b/c", "a_b_c"),
        ("no_extension", "no_extension"),
        ("ends.", "ends"),
    ],
)
def test_slug(path, expected):
    assert slug(path) == (expected, not path.isascii())


def test_a_key_is_the_slug_where_that_is_unique():
    assert unique_keys(["a/1.avi", "b/1.avi"]) == ["a_1", "b_1"]


@pytest.mark.parametrize(
    ("one", "two", "slug_one", "slug_two"),
    [
        ("a/b.avi", "a_b.avi", "a_b", "a_b"),
        ("a.avi", "a.mp4", "a", "a"),
        ("A.avi", "a.avi", "A", "a"),  # alike on a disk that does not tell case
    ],
)
def test_shared_slugs_get_the_hash_of_their_paths(one, two, slug_one, slug_two):
    assert unique_keys([one, "x.avi", two]) == [hashed(slug_one, one), "x", hashed(slug_two, two)]


def test_long_names_are_shortened_and_hashed():
    path, other = f"{'n' * 80}1.avi", f"{'n' * 80}2.avi"
    key, other_key = unique_keys([path, other])
    assert key == hashed("n" * 63, path)
    assert key != other_key
    assert unique_keys([path]) == [key]  # does not depend on the others


def test_the_longest_key_still_fits_into_a_tar():
    (key,) = unique_keys(["n" * 200])
    TarShardWriter(io.BytesIO()).add(f"{key}-s00", {"depth.00000.png16": b""})


def test_keys_are_safe_and_unique_without_case():
    paths = [
        f"{folder}/{name}.{end}" for folder in ("A b", "a_b") for name in ("Ü", "x.y", "") for end in ("avi", "AVI")
    ]
    keys = unique_keys(paths)
    assert len({key.lower() for key in keys}) == len(paths)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in keys)


def test_a_path_that_is_listed_twice_is_an_error():
    with pytest.raises(ValueError, match="listed twice"):
        unique_keys(["a/1.avi", "a/1.avi"])


def test_a_recording_named_like_a_segment_gets_a_key_that_no_segment_has():
    one, two = unique_keys(["clip.mp4", "clip-s00.mp4"])
    assert (one, two) == ("clip", hashed("clip-s00", "clip-s00.mp4"))
