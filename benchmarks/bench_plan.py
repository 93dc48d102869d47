"""Planning a large folder: from a CSV to the frozen plan, and one shard's rows back, in seconds and megabytes.

python benchmarks/bench_plan.py [recordings]

The peers are the bounds that planning has to keep (a minute and 2 GB for a million; CPU seconds are what counts on a
busy machine) and, for a shard's rows, reading the whole plan and filtering it.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from motionpipe.pipeline.folder import index_folder
from motionpipe.pipeline.parquet_files import read_parquet
from motionpipe.pipeline.plan import PLAN_FILE, plan_shards, planned_shard_sizes, read_planned_shard, write_plan
from motionpipe.pipeline.store import Store
from motionpipe.schemas.recipe import DataSection
from motionpipe.schemas.recording import PlannedRecording, planned_recordings

RECORDINGS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
A_SHARD = 64
COMMAND = f"python benchmarks/bench_plan.py {RECORDINGS}"


def say(figure: str, value: float, unit: str, peer_value: float, peer: str = "bound") -> None:
    line = {"figure": figure, "value": round(value, 4), "unit": unit, "peer": peer, "peer_value": round(peer_value, 4)}
    print(json.dumps(line | {"ratio": round(value / peer_value, 4), "command": COMMAND}), flush=True)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, wall seconds, CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_whole(store: Store, shard: int) -> list[PlannedRecording]:
    table = read_parquet(store, PLAN_FILE)
    return planned_recordings(table.filter(pc.equal(table["shard"], shard)))


def write_csv(file: Path) -> None:
    with file.open("w") as stream:
        stream.write("path,label,split\n")
        for i in range(RECORDINGS):
            part = "test" if i % 3 == 0 else "train"
            stream.write(f"class_{i % 400:03d}/video_{i:07d}.mp4,class_{i % 400:03d},{part}\n")


def plan(csv: Path, store: Store, scale: float) -> None:
    index, *indexing = timed(lambda: index_folder(csv, DataSection()))
    rows, *planning = timed(lambda: plan_shards(index.recordings, A_SHARD))
    _, *writing = timed(lambda: write_plan(store, rows))
    for name, (wall, cpu) in (("index", indexing), ("plan", planning), ("write", writing)):
        say(f"{name} {RECORDINGS} recordings", wall, "s", 60 * scale)
        say(f"{name} {RECORDINGS} recordings", cpu, "CPU-s", 60 * scale)
    say("index, plan and write together", indexing[0] + planning[0] + writing[0], "s", 60 * scale)
    say("index, plan and write together", indexing[1] + planning[1] + writing[1], "CPU-s", 60 * scale)
    say("peak memory of planning", peak_mb(), "MB", 2048 * max(scale, 0.1))
    print(f"# the plan takes {len(store.read_bytes(PLAN_FILE)) / 2**20:.1f} MB", file=sys.stderr)


def read_back(store: Store) -> None:
    sizes, wall, _ = timed(lambda: planned_shard_sizes(store))
    read_planned_shard(store, 0)  # imports are no part of the figure
    _, whole, _ = timed(lambda: read_whole(store, len(sizes) // 2))
    numbers = range(0, len(sizes), max(1, len(sizes) // 50))
    _, each, _ = timed(lambda: [read_planned_shard(store, number) for number in numbers])
    say("rows of one shard", 1000 * each / len(numbers), "ms", 1000 * whole, "the whole plan, filtered")
    say("sizes of all shards", 1000 * wall, "ms", 1000 * whole, "the whole plan, filtered")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        csv, store = Path(folder, "list.csv"), Store.at(f"{folder}/store")
        write_csv(csv)
        plan(csv, store, RECORDINGS / 1_000_000)
        read_back(store)


if __name__ == "__main__":
    main()
