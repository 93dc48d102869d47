"""Pixel-adaptive synthesis, forward and backward, beside unfolding: time and peak memory on this machine's device.

python benchmarks/bench_synthesis.py [--clips 2]
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from motionpipe.models.pixel_adaptive import side_of, synthesise
from torch import Tensor

FRAMES, SIDE, KERNELS, ROUNDS = 16, 112, (5, 7), 5
COMMAND = "python benchmarks/bench_synthesis.py"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def unfold(frames: Tensor, maps: Tensor) -> Tensor:
    """Every pixel's neighbourhood as channels, the usual way: a k²-fold copy of the clip. Maps as in `by_rows`."""
    kernel, (n, c, h, w) = side_of(maps), frames.shape
    taps = F.unfold(F.pad(frames, (kernel // 2,) * 4, "replicate"), kernel).view(n, c, kernel**2, h, w)
    return torch.einsum("ncthw,nthw->nchw", taps, maps)


def by_rows(maps: Tensor) -> Tensor:
    """Maps in the order that unfolding has: rows slowest, a correlation instead of a convolution."""
    kernel = side_of(maps)
    return maps.view(len(maps), kernel, kernel, SIDE, SIDE).transpose(1, 2).flip(1, 2).flatten(1, 2)


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"synthesise": synthesise, "unfold": unfold}


def inputs(clips: int, kernel: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    frames = torch.rand(clips * FRAMES, 3, SIDE, SIDE, device=DEVICE)
    return frames, torch.randn(clips * FRAMES, kernel**2, SIDE, SIDE, device=DEVICE, requires_grad=True)


def seconds(method: str, frames: Tensor, maps: Tensor) -> float:
    maps.grad = None
    began = time.perf_counter()
    METHODS[method](frames, maps).sum().backward()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def peak_mib(method: str, kernel: int, clips: int) -> float:
    """Memory beyond the inputs, the maps' gradient among it; on a CPU by the resident set of this fresh process."""
    frames, maps = inputs(clips, kernel)
    if DEVICE.type == "cuda":
        before = torch.cuda.memory_allocated()
        METHODS[method](frames, maps).sum().backward()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    seconds(method, *inputs(1, 1))  # what the first call of anything loads
    before_kib = resident_kib("VmRSS")
    METHODS[method](frames, maps).sum().backward()
    return (resident_kib("VmHWM") - before_kib) / 2**10


def resident_kib(which: str) -> int:
    """VmRSS: now; VmHWM: the most so far. (The maxrss of getrusage would count the parent's.)"""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(which))


def report(figure: str, unit: str, ours: float, peer: float) -> None:
    line = {"figure": figure, "value": round(ours, 2), "unit": unit, "peer": "unfold", "peer_value": round(peer, 2)}
    print(json.dumps(line | {"ratio": round(ours / peer, 4), "command": COMMAND}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--peak", nargs=2, metavar=("METHOD", "KERNEL"), help="print one peak [MiB] and end")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        print(peak_mib(options.peak[0], int(options.peak[1]), options.clips))
        return
    for kernel in KERNELS:
        frames, maps = inputs(options.clips, kernel)
        with torch.no_grad():
            torch.testing.assert_close(synthesise(frames, maps), unfold(frames, by_rows(maps)), rtol=1e-4, atol=1e-4)
        times = [{name: seconds(name, frames, maps) for name in METHODS} for _ in range(ROUNDS)]
        best = {name: min(row[name] for row in times) * 1e3 / options.clips for name in METHODS}
        where = f"k={kernel} {FRAMES}x{SIDE}x{SIDE} {DEVICE.type}"
        report(f"synthesis {where}", "ms a clip, forward and backward", best["synthesise"], best["unfold"])
        peaks = {}
        for name in METHODS:
            command = [sys.executable, __file__, "--clips", str(options.clips), "--peak", name, str(kernel)]
            peaks[name] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        per_clip = {name: value / options.clips for name, value in peaks.items()}
        report(f"synthesis memory {where}", "MiB a clip, beyond inputs", per_clip["synthesise"], per_clip["unfold"])


if __name__ == "__main__":
    main()
