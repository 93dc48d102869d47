"""Memory of `motionpipe shard` while the number of recordings grows: the driver's and the workers'.

python benchmarks/bench_many.py [1000 10000]

Tiny videos (16x16 px, 4 frames): 100 distinct files under many names (hard links). Resident memory is read from /proc
every half second, of the driver and of every process below it whose name is that of a shard worker.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

DISTINCT = 100
WORKERS = 2


def write_tiny(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=10)
        stream.width = stream.height = 16
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 10)
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def fill(folder: Path, tiny: Path, count: int) -> None:
    for number in range(count):
        place = folder / f"class{number % 10}"
        place.mkdir(parents=True, exist_ok=True)
        os.link(tiny / f"{number % DISTINCT}.mkv", place / f"{number:07d}.mkv")


def resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0


def workers_below(pid: int) -> list[int]:
    """Processes below `pid` that Ray calls by the name of the actor."""
    parent_of, named = {}, []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                parent_of[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if b"_ShardWorker" in (entry / "cmdline").read_bytes():
                    named.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue

    def is_below(process: int) -> bool:
        while process > 1:
            if process == pid:
                return True
            process = parent_of.get(process, 0)
        return False

    return [process for process in named if is_below(process)]


def measure(source: Path, store: Path) -> tuple[list[tuple[float, float, float]], float]:
    """(seconds, driver MB, largest worker MB) over time, and the seconds of the whole command."""
    words = ["shard", "--dataset", "folder", "--source", str(source), "--store", str(store), "--workers", str(WORKERS)]
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "motionpipe", *words], stderr=subprocess.DEVNULL)
    rows = []
    while process.poll() is None:
        workers = [resident_mb(pid) for pid in workers_below(process.pid)]
        rows.append((time.monotonic() - start, resident_mb(process.pid), max(workers, default=0.0)))
        time.sleep(0.5)
    assert process.returncode == 0, process.returncode
    return rows, time.monotonic() - start


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [1000, 10000]
    command = " ".join(["python benchmarks/bench_many.py", *sys.argv[1:]])
    peaks: dict[str, tuple[int, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny").mkdir()
        for seed in range(DISTINCT):
            write_tiny(folder / "tiny" / f"{seed}.mkv", seed)
        for count in counts:
            fill(folder / str(count), folder / "tiny", count)
            rows, seconds = measure(folder / str(count), folder / f"store-{count}")
            busy = [row for row in rows if row[2]]
            quarter = max(len(busy) // 4, 1)
            figures = {
                "driver peak": (max(row[1] for row in rows), "MB"),
                "worker peak": (max(row[2] for row in busy), "MB"),
                "driver, last quarter less second": (growth(busy, 1, quarter), "MB"),
                "worker, last quarter less second": (growth(busy, 2, quarter), "MB"),
                "rate": (count / seconds, "recordings/s"),
            }
            for figure, (value, unit) in figures.items():
                # a difference has no peer: beside that of a run of few seconds, which is all start, it says nothing
                before = peaks.get(figure) if "less" not in figure else None
                line = {"figure": f"{count} tiny recordings, {figure}", "value": round(value, 1), "unit": unit}
                peer = f"the same with {before[0]}" if before else None
                line |= {"peer": peer, "peer_value": round(before[1], 1) if before else None}
                ratio = round(value / before[1], 3) if before and before[1] else None
                print(json.dumps(line | {"ratio": ratio, "command": command}), flush=True)
                peaks.setdefault(figure, (count, value))


def growth(rows: list[tuple[float, float, float]], column: int, quarter: int) -> float:
    """Mean over the last quarter of the time less that over the second."""
    second, last = rows[quarter : 2 * quarter] or rows, rows[-quarter:]
    return sum(row[column] for row in last) / len(last) - sum(row[column] for row in second) / len(second)


if __name__ == "__main__":
    main()
