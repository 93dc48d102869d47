from pathlib import Path

import pytest
from motionpipe.pipeline.store import Store


@pytest.fixture(params=["folder", "file-uri", "memory"])
def any_store(request, tmp_path, store, memory_store):
    """Stores in a folder, behind a file:// URI, and in memory."""
    return {"folder": store, "file-uri": Store.at(f"file://{tmp_path}/by-uri"), "memory": memory_store}[request.param]


def all_names(store, folder):
    fs, path = store._resolve(folder)
    return sorted(entry.rsplit("/", 1)[-1] for entry in fs.ls(path, detail=False)) if fs.isdir(path) else []


def test_what_was_written_is_read(any_store):
    any_store.write_bytes("a/b/c.bin", b"0123456789")
    assert any_store.read_bytes("a/b/c.bin") == b"0123456789"
    assert any_store.read_range("a/b/c.bin", 3, 4) == b"3456"
    assert any_store.read_range("a/b/c.bin", 0, 0) == b""
    assert any_store.read_range("a/b/c.bin", 8, 2) == b"89"
    assert any_store.exists("a/b/c.bin")
    assert any_store.exists("a/b")
    assert not any_store.exists("a/b/d.bin")


def test_a_second_write_replaces_the_first(any_store):
    any_store.write_bytes("a.bin", b"long content")
    any_store.write_bytes("a.bin", b"short")
    assert any_store.read_bytes("a.bin") == b"short"
    assert any_store.list("") == ["a.bin"]


def write_and_fail(store, error):
    with store.writing("shards/000000.tar") as stream:
        stream.write(b"half of it")
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_an_error_leaves_nothing(any_store, error):
    any_store.write_bytes("shards/plan", b"")
    with pytest.raises(type(error)):
        write_and_fail(any_store, error)
    assert all_names(any_store, "shards") == ["plan"]


def test_an_error_leaves_the_earlier_file_as_it_was(any_store):
    any_store.write_bytes("shards/000000.tar", b"earlier")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(any_store, ZeroDivisionError())
    assert any_store.read_bytes("shards/000000.tar") == b"earlier"
    assert all_names(any_store, "shards") == ["000000.tar"]


def test_nothing_is_listed_or_read_before_the_block_ends(any_store):
    with any_store.writing("shards/000000.tar") as stream:
        stream.write(b"half of it")
        stream.flush()
        assert any_store.list("shards") == []
        assert not any_store.exists("shards/000000.tar")
    assert any_store.list("shards") == ["000000.tar"]


def test_what_killed_writers_left_is_removed_and_nothing_else(any_store):
    any_store.write_bytes("shards/000000.tar", b"whole")
    any_store.write_bytes("shards/deep/000001.tar", b"whole")
    fs, path = any_store._resolve("shards/000002.tar.tmp-123-abcdef01")
    fs.pipe_file(path, b"half")
    assert any_store.list("shards") == ["000000.tar", "deep"]
    any_store.remove_unfinished("shards")
    assert all_names(any_store, "shards") == ["000000.tar", "deep"]
    any_store.remove_unfinished("no-such-folder")


def test_names_are_listed_sorted_and_an_absent_folder_is_empty(any_store):
    for name in ("b.bin", "a.bin", "c/d.bin"):
        any_store.write_bytes(f"x/{name}", b"")
    assert any_store.list("x") == ["a.bin", "b.bin", "c"]
    assert any_store.list("y") == []


def test_a_log_grows(any_store):
    any_store.append("runs/a/metrics.jsonl", b"1\n")
    any_store.append("runs/a/metrics.jsonl", b"2\n")
    assert any_store.read_bytes("runs/a/metrics.jsonl") == b"1\n2\n"


def test_one_file_is_removed(any_store):
    any_store.write_bytes("a.bin", b"")
    any_store.write_bytes("b.bin", b"")
    any_store.remove("a.bin")
    assert any_store.list("") == ["b.bin"]


def test_an_absent_file_is_an_error(any_store):
    with pytest.raises(FileNotFoundError):
        any_store.read_bytes("absent.bin")


def test_only_a_folder_has_local_paths(tmp_path, memory_store):
    store = Store.at(str(tmp_path))
    assert store.is_local
    assert store.local_path("a/b") == tmp_path / "a" / "b"
    assert not memory_store.is_local
    with pytest.raises(ValueError, match="not a local folder"):
        memory_store.local_path("a")


def test_locations_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Store.at("./s").uri == str(tmp_path / "s")
    assert Store.at("~/s").uri == str(tmp_path / "home" / "s")
    assert Store.at("memory://s").uri == "memory://s"


def test_a_name_is_not_a_pattern(store):
    store.write_bytes("a[1]*/b?.bin", b"x")
    assert store.read_bytes("a[1]*/b?.bin") == b"x"
    assert Path(store.uri, "a[1]*/b?.bin").is_file()


def test_a_stream_can_seek(store, memory_store):
    for place in (store, memory_store):
        place.write_bytes("a/b", b"0123456789")
        with place.reading("a/b") as stream:
            stream.seek(4)
            assert stream.read(3) == b"456"
        with pytest.raises(FileNotFoundError), place.reading("a/absent"):
            pass
