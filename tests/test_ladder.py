from types import SimpleNamespace

import pytest
from motionpipe.pipeline.ladder import Ladder
from motionpipe.pipeline.write_shard import Sample, write_tar_shard

ITEMS = [SimpleNamespace(key=key, recording_id=f"id-{key}", path=f"{key}.avi") for key in "abc"]


@pytest.fixture(params=["folder", "memory"])
def ladder(request, store, memory_store):
    return Ladder({"folder": store, "memory": memory_store}[request.param], "shards")


def write(ladder, seen):
    def build(item):
        seen.append((item.key, ladder.current(0)))
        return [Sample(item.key, {"json": item.key.encode()}, 1, 10.0, f"hash-{item.key}")]

    return write_tar_shard(ladder.store, ladder.folder, 0, ITEMS, build)


def test_each_recording_is_noted_before_it_is_built_and_nothing_is_left_behind(ladder):
    seen = []
    write(ladder, seen)
    assert seen == [(key, (key, None)) for key in "abc"]
    assert ladder.current(0) is None
    assert ladder.store.list("shards") == ["000000.json", "000000.tar"]


def test_deaths_are_counted_by_recording_until_it_must_run_alone(ladder):
    assert ladder.add_death(0, "killed") is None  # it had not begun
    for key, alone in (("a", False), ("b", False), ("b", True)):
        ladder.note(0, key)
        assert ladder.left_behind() == [0]
        assert ladder.add_death(0, "killed") == (key, alone)
        assert ladder.left_behind() == []
    assert ladder.to_run_alone() == [(0, "b")]
    assert ladder.deaths(0) == {"a": (("killed",), False), "b": (("killed", "killed"), False)}


def test_a_worker_that_ended_itself_says_why(ladder):
    ladder.note(0, "a", "held 700 MB")
    ladder.add_death(0, "killed")
    assert ladder.deaths(0) == {"a": (("held 700 MB",), False)}


def test_what_is_given_up_is_rejected_and_the_others_have_the_bytes_that_they_have_without_it(ladder):
    ladder.give_up(0, "b", "killed by SIGSEGV")
    seen = []
    report = write(ladder, seen)
    assert [key for key, _ in seen] == ["a", "c"]
    (reject,) = report.rejects
    assert (reject.key, reject.reason, reject.attempts) == ("b", "worker-died", 1)
    assert "killed by SIGSEGV" in reject.detail
    with_b = report.sha256
    ITEMS_WITHOUT = [item for item in ITEMS if item.key != "b"]
    other = write_tar_shard(
        ladder.store, "other", 0, ITEMS_WITHOUT, lambda i: [Sample(i.key, {"json": i.key.encode()}, 1, 10.0, "h")]
    )
    assert other.sha256 == with_b
    assert ladder.deaths(0) == {}


def test_a_bug_leaves_no_note(ladder):
    with pytest.raises(ZeroDivisionError):
        write_tar_shard(ladder.store, "shards", 0, ITEMS, lambda _: 1 / 0)
    assert ladder.left_behind() == []
