import io
import tarfile
import weakref
from types import SimpleNamespace

import pytest
from motionpipe.pipeline.artefacts import read_report
from motionpipe.pipeline.write_shard import Sample, write_tar_shard
from motionpipe.schemas.errors import BadSampleError


def item(key):
    return SimpleNamespace(key=key, recording_id=f"id-{key}", path=f"{key}.avi")


ITEMS = [item("a"), item("b"), item("c")]


def sample(key, frames=3):
    return Sample(key, {"json": key.encode()}, frames, 10.0, f"hash-{key}", counts={"frames": frames})


def names_in(store, name):
    with tarfile.open(fileobj=io.BytesIO(store.read_bytes(name))) as tar:
        return tar.getnames()


def build_all(one):
    return [sample(one.key)]


def test_every_item_is_written_and_the_report_says_so(store):
    report = write_tar_shard(store, "shards", 7, ITEMS, build_all)
    assert read_report(store, "shards", 7) == report
    assert (report.shard, report.file, report.read, report.written) == (7, "000007.tar", 3, 3)
    assert report.totals == {"frames": 9}
    assert [(e.key, e.recording_id, e.source_hash, e.num_frames) for e in report.samples] == [
        (key, f"id-{key}", f"hash-{key}", 3) for key in "abc"
    ]
    data = store.read_bytes("shards/000007.tar")
    assert len(data) == report.size_bytes
    offset, size = report.samples[1].members["json"]
    assert data[offset : offset + size] == b"b"


def test_bad_samples_are_counted_with_their_reasons(store):
    def build(one):
        if one.key == "b":
            raise BadSampleError("empty-file", "b.avi has 0 bytes")
        return [sample(one.key)]

    report = write_tar_shard(store, "shards", 0, ITEMS, build)
    assert (report.read, report.written, len(report.samples)) == (3, 2, 2)
    (reject,) = report.rejects
    assert (reject.stage, reject.key, reject.recording_id) == ("shards", "b", "id-b")
    assert (reject.path, reject.reason, reject.detail) == ("b.avi", "empty-file", "b.avi has 0 bytes")


def test_an_item_that_fails_after_its_first_sample_leaves_none_of_them(store):
    def build(one):
        yield sample(f"{one.key}-s00")
        if one.key == "a":
            raise BadSampleError("unreadable-video", "damaged in the middle")
        yield sample(f"{one.key}-s01")

    report = write_tar_shard(store, "flow/pd", 0, ITEMS, build)
    assert [entry.key for entry in report.samples] == ["b-s00", "b-s01", "c-s00", "c-s01"]
    assert (report.read, report.written, report.totals, report.rejects[0].stage) == (3, 2, {"frames": 12}, "flow")
    assert names_in(store, "flow/pd/000000.tar") == [f"{entry.key}.json" for entry in report.samples]


def test_a_shard_with_a_taken_back_item_is_the_shard_without_it(store, memory_store):
    def build(one):
        for number in range(3):
            if one.key == "b" and number == 2:
                raise BadSampleError("unreadable-video", "damaged in the middle")
            yield sample(f"{one.key}-s{number:02d}")

    for place in (store, memory_store):
        with_b = write_tar_shard(place, "shards", 0, ITEMS, build)
        without = write_tar_shard(place, "shards", 1, [ITEMS[0], ITEMS[2]], build)
        assert place.read_bytes("shards/000000.tar") == place.read_bytes("shards/000001.tar")
        assert (with_b.sha256, with_b.samples, with_b.totals) == (without.sha256, without.samples, without.totals)


def test_a_sample_is_written_before_the_next_is_built(store):
    alive = []

    def build(one):
        for number in range(3):
            assert not any(reference() for reference in alive)
            made = sample(f"{one.key}-s{number:02d}")
            alive.append(weakref.ref(made))
            yield made
            del made

    write_tar_shard(store, "shards", 0, ITEMS, build)
    assert len(alive) == 9


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, KeyError, KeyboardInterrupt, MemoryError])
def test_a_bug_leaves_neither_tar_nor_report(store, error):
    def build(one):
        if one.key == "c":
            raise error
        return [sample(one.key)]

    with pytest.raises(error):
        write_tar_shard(store, "shards", 0, ITEMS, build)
    assert list(store.local_path("shards").iterdir()) == []


def test_a_key_that_comes_twice_is_a_bug(store):
    with pytest.raises(ValueError, match="written already"):
        write_tar_shard(store, "shards", 0, [item("a"), item("a")], build_all)
    assert list(store.local_path("shards").iterdir()) == []


def test_a_shard_of_rejects_alone_is_finished_too(store):
    def build(one):
        raise BadSampleError("empty-file", one.path)

    report = write_tar_shard(store, "shards", 0, ITEMS, build)
    assert (report.read, report.written, len(report.rejects), report.samples) == (3, 0, 3, ())
    assert names_in(store, "shards/000000.tar") == []


def test_the_same_items_give_the_same_bytes_in_any_store(store, memory_store):
    reports = [write_tar_shard(place, "shards", 0, ITEMS, build_all) for place in (store, memory_store)]
    assert reports[0] == reports[1]
    assert store.read_bytes("shards/000000.tar") == memory_store.read_bytes("shards/000000.tar")


def test_the_report_comes_after_the_tar(store, monkeypatch):
    written = []
    writing = type(store).writing
    monkeypatch.setattr(type(store), "writing", lambda self, name: written.append(name) or writing(self, name))
    write_tar_shard(store, "shards", 0, ITEMS, build_all)
    assert written == ["shards/000000.tar", "shards/000000.json"]
