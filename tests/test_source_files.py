import os
import re
import shutil

import pytest
from motionpipe.pipeline.source_files import (
    by_file_name,
    first_folder_with,
    list_names,
    read_text,
    streams_by_recording,
    walk_files,
)
from motionpipe.schemas.errors import MotionpipeError


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_names_of_a_folder(tmp_path):
    make(tmp_path, "a/2", "a/1", "b/3")
    assert list_names(tmp_path, "a") == ["1", "2"]
    assert list_names(tmp_path, ".") == ["a", "b"]
    assert list_names(tmp_path, "absent") == []


def test_files_are_found_in_all_folders_in_order(tmp_path):
    make(tmp_path, "c.avi", "b/x/2.AVI", "b/1.avi", "b/1.txt", "b/._1.avi", "a/notes")
    assert walk_files(tmp_path, (".avi",)) == ["b/1.avi", "b/x/2.AVI", "c.avi"]
    assert walk_files(tmp_path, (".avi", ".txt")) == ["b/1.avi", "b/1.txt", "b/x/2.AVI", "c.avi"]


def test_a_folder_that_cannot_be_listed_is_not_left_out(tmp_path):
    make(tmp_path, "a/1.avi")
    deep = tmp_path / "b"
    names = ["x" * 200] * 25  # longer than any path may be, whoever asks
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for name in ("b", *names):
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    with pytest.raises(MotionpipeError, match="cannot be listed"):
        walk_files(tmp_path, (".avi",))
    shutil.rmtree(deep)


def test_a_name_that_is_no_text_is_one_clear_error(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.avi")).touch()
    with pytest.raises(MotionpipeError, match=r"caf\\xe9.avi' below .* is not named in UTF-8; rename it"):
        walk_files(tmp_path, (".avi",))
    assert walk_files(tmp_path, (".mp4",)) == []


def test_the_folder_that_holds_a_file(tmp_path):
    make(tmp_path, "b/list.txt", "c/list.txt")
    assert first_folder_with(tmp_path, ("a", "b", "c"), "list.txt") == "b"
    with pytest.raises(MotionpipeError, match=r"holds no list.txt: expected a/list.txt, list.txt"):
        first_folder_with(tmp_path, ("a", "."), "list.txt")


def test_text(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffübung".encode())
    assert read_text(tmp_path, "a.txt") == "übung"
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MotionpipeError, match=r"a.txt is not text"):
        read_text(tmp_path, "a.txt")
    with pytest.raises(MotionpipeError, match=r"b.txt is missing"):
        read_text(tmp_path, "b.txt")


def test_a_name_in_two_folders_is_an_error():
    assert by_file_name(["a/1.avi", "2.avi"]) == {"1.avi": "a/1.avi", "2.avi": "2.avi"}
    with pytest.raises(MotionpipeError, match=r"1.avi is there twice: a/1.avi and b/1.avi"):
        by_file_name(["a/1.avi", "b/1.avi"])


NAME = re.compile(r"a\d\d")
ENDINGS = {"depth": ("_d.bin", "_d.mat"), "rgb": ("_rgb.avi",)}


def test_streams_are_gathered_by_recording(tmp_path):
    make(tmp_path, "x/a02_d.mat", "x/a01_d.mat", "y/a01_d.bin", "z/a01_rgb.avi", "b01_rgb.avi", "a03_d.binary")
    assert streams_by_recording(tmp_path, NAME, ENDINGS) == {
        "a01": {"depth": "y/a01_d.bin", "rgb": "z/a01_rgb.avi"},
        "a02": {"depth": "x/a02_d.mat"},
    }


def test_endings_may_be_in_any_case(tmp_path):
    make(tmp_path, "a01_D.BIN", "a01_rgb.AVI", "A02_rgb.avi")
    assert streams_by_recording(tmp_path, NAME, ENDINGS) == {"a01": {"depth": "a01_D.BIN", "rgb": "a01_rgb.AVI"}}
    make(tmp_path, "a01_d.bin")
    with pytest.raises(MotionpipeError, match=r"there twice: a01_D.BIN and a01_d.bin"):
        streams_by_recording(tmp_path, NAME, ENDINGS)


def test_only_files_of_recordings_must_be_unique(tmp_path):
    make(tmp_path, "x/readme_rgb.avi", "y/readme_rgb.avi", "x/a01_rgb.avi")
    assert list(streams_by_recording(tmp_path, NAME, ENDINGS)) == ["a01"]
    make(tmp_path, "y/a01_rgb.avi")
    with pytest.raises(MotionpipeError, match="there twice"):
        streams_by_recording(tmp_path, NAME, ENDINGS)
