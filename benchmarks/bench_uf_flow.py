"""Frames a second of UF-TSN's flow network, beside TV-L1 and DIS in the same run.

python benchmarks/bench_uf_flow.py [--size 224] [--batches 1,16] [--rounds 3]

Random weights: what they are changes no time. The network runs on the CPU (one thread, as the peers) and, where there
is one, on the GPU; peers are OpenCV's on the CPU. On the CPU seconds are the process's own, so that other load counts
little. Rounds of all methods follow each other, the fastest of each counts. The poster's 131.6 frames a second is of an
unnamed machine, resolution and batch.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from motionpipe.models.cost_volume import cost_volume
from motionpipe.models.uf_flow import UfFlow
from motionpipe.pipeline.optical_flow import optical_flow
from motionpipe.schemas.uf_tsn import UfTsnSection

COMMAND = "python benchmarks/bench_uf_flow.py"
PEERS = ("tv-l1", "dis")


def textured_pair(size: int) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (size + 8, size + 8, 3)).astype(np.uint8)
    large = cv2.GaussianBlur(noise, (0, 0), 2)
    return large[4:-4, 4:-4].copy(), large[3:-5, 2:-6].copy()


def network(size: int, batch: int, device: torch.device) -> Callable[[], None]:
    net = UfFlow(UfTsnSection()).to(device).eval()
    frames = [torch.from_numpy(frame).permute(2, 0, 1).float() / 255 for frame in textured_pair(size)]
    first, second = (frame.expand(batch, -1, -1, -1).contiguous().to(device) for frame in frames)

    @torch.inference_mode()
    def run() -> None:
        net.flow(first, second)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def seconds(run: Callable[[], None], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start


def memory_of_costs() -> None:
    """Bytes that the cost volume keeps for its gradients, beside (2d + 1)² copies of the features."""
    first, second = (torch.randn(1, 32, 56, 56, requires_grad=True) for _ in range(2))
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        costs = cost_volume(first, second, 3)
    copies = first.untyped_storage().nbytes() * costs.shape[1]
    say("cost volume, 32 channels, 56x56, d = 3: kept for gradients", sum(kept.values()) / 2**20, "MiB", "unfolded",
        copies / 2**20)  # fmt: skip


def say(figure: str, value: float, unit: str, peer: str, peer_value: float) -> None:
    line = {"figure": figure, "value": round(value, 3), "unit": unit, "peer": peer, "peer_value": round(peer_value, 3)}
    print(json.dumps(line | {"ratio": round(value / peer_value, 3), "command": COMMAND}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batches", default="1,16")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    first, second = textured_pair(args.size)
    devices = {"CPU, 1 thread, " + platform.machine(): torch.device("cpu")}
    if torch.cuda.is_available():
        devices[torch.cuda.get_device_name()] = torch.device("cuda")
    runs: dict[str, tuple[int, Callable[[], None]]] = {
        f"batch {batch} on {name}": (batch, network(args.size, batch, device))
        for name, device in devices.items()
        for batch in map(int, args.batches.split(","))
    }
    methods = runs | {peer: (1, lambda peer=peer: optical_flow(peer, first, second)) for peer in PEERS}
    for _, run in methods.values():
        run()
    best = dict.fromkeys(methods, float("inf"))
    for _ in range(args.rounds):
        for name, (_, run) in methods.items():
            clock = time.process_time if "CPU" in name or name in PEERS else time.perf_counter
            best[name] = min(best[name], seconds(run, clock))
    for name, (batch, _) in runs.items():
        for peer in PEERS:
            say(f"flow of {args.size}x{args.size} pairs, {name}", batch / best[name], "pairs/s", peer, 1 / best[peer])
    memory_of_costs()


if __name__ == "__main__":
    main()
