"""The ladder: a worker that dies ends as one reject, after everything else was written."""

import importlib
import os
import subprocess
import sys
from functools import partial

import pytest
from motionpipe.jobs.options import RunOptions
from motionpipe.jobs.ray_map import gpu_workers, map_shards
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.jobs.stage import run_stage
from motionpipe.pipeline.artefacts import read_manifest, read_report
from motionpipe.pipeline.ladder import Ladder
from motionpipe.pipeline.parquet_files import read_parquet
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.report import Identity

# a module of its own: workers and fresh processes import it by name
FAKES = """
import os, signal, time
from functools import partial
from types import SimpleNamespace
from motionpipe.pipeline.write_shard import Sample, ShardWork, write_tar_shard

def items(shard):
    return [SimpleNamespace(key=f"{shard}-{n}", recording_id=f"{shard}-{n}", path=f"{shard}-{n}.avi") for n in range(4)]

def build(bad, shard, item):
    match bad.get(item.key):
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(600)
        case "grow":
            held = []
            while True:
                held.append(bytearray(os.urandom(1 << 20)) * 64)
                time.sleep(0.02)
        case "bug":
            raise ZeroDivisionError("a bug")
        case "once" if not os.path.exists(bad["mark"]):
            open(bad["mark"], "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    return [Sample(item.key, {"json": item.key.encode()}, 1, 10.0, f"hash-{item.key}", counts={"frames": 1})]

def make_worker(store, bad):
    return ShardWork(items, partial(build, bad), partial(write_tar_shard, store, "shards"))

def make_gpu_worker(kind):
    import ray
    if kind == "torch":
        from motionpipe.jobs.device import require_device
        require_device("cuda")
    def told(shard):
        context = ray.get_runtime_context()
        return context.get_assigned_resources().get("GPU"), os.environ.get("CUDA_VISIBLE_DEVICES")
    return told

def make_dying(store):
    return lambda shard: os.kill(os.getpid(), signal.SIGKILL)
"""
IDENTITY = Identity(stage="shard", section={}, data={}, parents={})


@pytest.fixture(scope="session")
def fakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fakes")
    (folder / "ladder_fakes.py").write_text(FAKES)
    sys.path.insert(0, str(folder))
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{before}"
    yield importlib.import_module("ladder_fakes")
    sys.path.remove(str(folder))
    os.environ["PYTHONPATH"] = before


def run(fakes, store, bad, options, shards=2):
    make_worker = partial(fakes.make_worker, store, bad)
    return run_stage(store, "shards", IDENTITY, load_recipe(None), lambda: [4] * shards, make_worker, options)


def rejects(store):
    return {row["key"]: row for row in read_parquet(store, "shards/rejects.parquet").to_pylist()}


def left(store):
    return [name for name in store.list("shards") if name.endswith((".current", ".deaths", ".retry"))]


@pytest.mark.ray
def test_workers_that_are_killed_hang_or_grow_end_in_one_reject_each(fakes, store, memory_store):
    bad = {"0-1": "kill", "0-2": "sleep", "1-0": "grow", "1-3": "once", "mark": store.uri + "-mark"}
    options = RunOptions(workers=2, deadline_s=4.0, memory_mb=700)
    result = run(fakes, store, bad, options)
    assert result.exit_code == 3
    assert result.counts == {"read": 8, "written": 5, "rejected": 3, "samples": 5, "bytes": 20480, "frames": 5}
    table = rejects(store)
    assert {key: (row["reason"], row["attempts"]) for key, row in table.items()} == {
        key: ("worker-died", 3) for key in ("0-1", "0-2", "1-0")
    }
    assert "SIGKILL" in table["0-1"]["detail"]
    assert "deadline of 4 s" in table["0-2"]["detail"]
    assert "700 MB" in table["1-0"]["detail"]
    assert "rejects retry" in table["0-1"]["detail"]
    assert left(store) == []
    again = run(fakes, store, bad, options)
    assert (again.fresh, again.exit_code) == (False, 3)
    # shards without a bad recording, and the others' samples, are what a quiet run writes
    run(fakes, memory_store, {}, RunOptions(workers=0))
    mine, quiet = read_report(store, "shards", 1), read_report(memory_store, "shards", 1)
    assert [e.key for e in mine.samples] == [e.key for e in quiet.samples[1:]]


@pytest.mark.ray
def test_a_bug_stops_the_map_with_its_own_type_and_a_worker_that_never_begins_ends_it(fakes, store):
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(fakes, store, {"0-1": "bug"}, RunOptions(workers=1))
    assert left(store) == []
    with pytest.raises(RuntimeError, match="shard 0: its worker died 3 times"):
        list(map_shards(partial(fakes.make_dying, store), [0], RunOptions(workers=1), Ladder(store, "shards")))


COMMAND = """
import sys
from functools import partial
import ladder_fakes
from motionpipe.jobs.options import RunOptions
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.jobs.stage import run_stage
from motionpipe.pipeline.store import Store
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.report import Identity
store = Store.at(sys.argv[1])
if __name__ == "__main__":
    result = run_stage(
        store, "shards", Identity(stage="shard", section={}, data={}, parents={}), load_recipe(None), lambda: [4],
        partial(ladder_fakes.make_worker, store, {"0-2": sys.argv[2]}), RunOptions(workers=0),
    )
    sys.exit(result.exit_code)
"""


def test_without_workers_a_death_ends_the_command_and_the_third_run_rejects(fakes, store, tmp_path):
    (tmp_path / "command.py").write_text(COMMAND)
    words = [sys.executable, str(tmp_path / "command.py"), store.uri, "kill"]
    assert subprocess.run(words, capture_output=True, check=False).returncode == -9
    assert Ladder(store, "shards").current(0)[0] == "0-2"
    assert subprocess.run(words, capture_output=True, check=False).returncode == -9
    third = subprocess.run(words, capture_output=True, check=False)
    assert third.returncode == 3, third.stderr
    assert rejects(store)["0-2"]["attempts"] == 3
    assert read_manifest(store, "shards", "").totals["written"] == 3
    assert left(store) == []


def test_kills_of_the_command_itself_never_reject(fakes, store, memory_store):
    ladder = Ladder(store, "shards")
    for _ in range(4):  # four times somebody ended the command at the same recording
        ladder.note(0, "0-2")
        assert ladder.add_death(0, "ended") is not None
    assert ladder.to_run_alone() == [(0, "0-2")]
    assert run(fakes, store, {}, RunOptions(workers=0), shards=1).exit_code == 0
    run(fakes, memory_store, {}, RunOptions(workers=0), shards=1)
    assert store.read_bytes("shards/000000.tar") == memory_store.read_bytes("shards/000000.tar")
    assert read_manifest(store, "shards", "").hash == read_manifest(memory_store, "shards", "").hash


@pytest.mark.ray
def test_workers_ask_ray_for_their_part_of_a_gpu(fakes, store, monkeypatch):
    """Ray is told of one GPU; torch finds none, and the stage says so instead of computing on the CPU."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(address="local", num_cpus=8, num_gpus=1, include_dashboard=False, logging_level="ERROR")
    try:
        make_worker = partial(fakes.make_gpu_worker, "quarter")
        told = list(map_shards(make_worker, range(6), RunOptions(workers=6, gpus_per_worker=0.25)))
        assert {gpus for gpus, _ in told} == {0.25}
        assert {visible for _, visible in told} == {"0"}
        assert gpu_workers(RunOptions(workers=6, gpus_per_worker=0.25)) == 4
        assert gpu_workers(RunOptions(workers=6, gpus_per_worker=0.4)) == 2
        assert gpu_workers(RunOptions(workers=6)) == 6
        with pytest.raises(MotionpipeError, match="has 1 GPUs"):
            list(map_shards(make_worker, range(2), RunOptions(workers=2, gpus_per_worker=2)))
        make_worker = partial(fakes.make_gpu_worker, "torch")
        with pytest.raises(MotionpipeError, match="torch cannot use a GPU here"):
            list(map_shards(make_worker, range(2), RunOptions(workers=1, gpus_per_worker=0.5)))
    finally:
        ray.shutdown()
