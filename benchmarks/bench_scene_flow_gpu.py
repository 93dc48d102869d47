"""RGB-D scene flow on a GPU: pairs a second, the bytes that they move, and how far that is from memory's speed.

python benchmarks/bench_scene_flow_gpu.py            on a CUDA device; torch, numpy and triton are enough
python benchmarks/bench_scene_flow_gpu.py --tiles    also tries other tiles for the kernels
python benchmarks/bench_scene_flow_gpu.py --smoke    tiny sizes, under Triton's interpreter where there is no device

The peer of a rate is the rate at which memory could move the iterations' least traffic, measured as a copy of a large
tensor in the same run; plain torch on the same device is the other. First of all flow is compared with plain torch.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
SMOKE = "--smoke" in sys.argv
if not torch.cuda.is_available():
    if not SMOKE:
        print("bench_scene_flow_gpu: no CUDA device here, nothing is measured (--smoke runs tiny sizes)")
        sys.exit()
    os.environ["TRITON_INTERPRET"] = "1"  # before triton is imported


@dataclass(frozen=True)
class PublishedFlow:
    """The solver's part of `FlowSection`, for a machine without pydantic."""

    lambda_i: float = 0.04
    lambda_d: float = 0.35
    mu: float = 75.0
    iterations: int = 100
    iterations_less: int = 15
    warps: int = 1
    coarsest_rows: int = 15


def make_importable() -> None:
    """The repository's root is the package `motionpipe`, whatever its folder is called."""
    if importlib.util.find_spec("motionpipe") is None:
        folder = tempfile.mkdtemp()
        os.symlink(ROOT, Path(folder) / "motionpipe")
        sys.path.insert(0, folder)
    if importlib.util.find_spec("pydantic") is None:
        stand_in = ModuleType("motionpipe.schemas.recipe")
        stand_in.FlowSection = PublishedFlow  # type: ignore[attr-defined]
        sys.modules[stand_in.__name__] = stand_in


make_importable()
from motionpipe.models import pixel_tiles  # noqa: E402  # needs what is set above
from motionpipe.models.primal_dual_triton import BYTES_A_PIXEL_ITERATION  # noqa: E402
from motionpipe.models.rgbd_pair import RGBDPair  # noqa: E402
from motionpipe.models.rgbd_pyramid import num_levels  # noqa: E402
from motionpipe.models.scene_flow_reference import MIN_ITERATIONS  # noqa: E402
from motionpipe.models.scene_flow_reference import reference_scene_flow as scene_flow  # noqa: E402
from motionpipe.models.scene_flow_triton import scene_flow_triton  # noqa: E402
from motionpipe.schemas.camera import Camera  # noqa: E402
from motionpipe.schemas.recipe import FlowSection  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = FlowSection(iterations=10) if SMOKE else FlowSection()
QVGA = (18, 24) if SMOKE else (240, 320)
BATCHES = (1, 2) if SMOKE else (1, 8, 32, 128, 512)
OTHER_SIZES = ((17, 21),) if SMOKE else ((106, 128), (120, 160), (424, 512), (480, 640))
OTHER_BATCH = 2 if SMOKE else 128
TORCH_BATCH = 2 if SMOKE else 64
WARM_UPS, RUNS, SECONDS = (0, 1, 0.0) if SMOKE else (2, 5, 1.0)
TILES = ((16, 32, 16), (8, 32, 8), (4, 64, 8), (4, 128, 16), (8, 64, 16), (4, 32, 4), (16, 64, 16), (8, 128, 16))
COMMAND = " ".join(["python benchmarks/bench_scene_flow_gpu.py", *sys.argv[1:]])


def say(figure: str, value: float, unit: str, peer: str, peer_value: float, **more: float | str) -> None:
    line = {"figure": figure, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value}
    rounded = line | {"ratio": value / peer_value} | more | {"command": COMMAND}
    print(json.dumps({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in rounded.items()}), flush=True)


def camera_of(height: int, width: int) -> Camera:
    focal = 263.67 * width / 320
    return Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def frame(camera: Camera, ball_x: float, ball_z: float, rng: np.random.Generator) -> list[torch.Tensor]:
    """Intensity and depth (H, W) of a textured ball before a wall: 2 mm of noise, a tenth of the pixels lost."""
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    ray_x, ray_y = (x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy
    square, along = ray_x**2 + ray_y**2 + 1, ray_x * ball_x + ball_z
    inside = along**2 - square * (ball_x**2 + ball_z**2 - 0.35**2)
    depth = np.where(inside > 0, (along - np.sqrt(np.maximum(inside, 0))) / square, 2.5 / (1 + 0.2 * ray_x))
    px, py = ray_x * depth - (inside > 0) * ball_x, ray_y * depth
    grey = 128 + 40 * np.sin(9 * px + 4 * py) + 35 * np.sin(11 * py - 5 * px) + 30 * np.sin(21 * px + 13 * py)
    depth += 0.002 * rng.standard_normal(depth.shape)
    depth[rng.random(depth.shape) < 0.1] = 0
    return [torch.from_numpy(image).float() for image in (grey, depth)]


def pairs(camera: Camera, batch: int) -> RGBDPair:
    """Up to eight different pairs, over and over."""
    rng = np.random.default_rng(0)
    made = [
        frame(camera, 0.05, 1.5, rng) + frame(camera, 0.08 - 0.01 * i, 1.5 - 0.01 * i, rng)
        for i in range(min(batch, 8))
    ]
    images = [
        torch.stack(image).to(DEVICE).repeat(-(-batch // len(made)), 1, 1)[:batch] for image in zip(*made, strict=True)
    ]
    return RGBDPair(*images)


def pixel_iterations(camera: Camera) -> int:
    """Pixels times iterations over all levels of a pair."""
    height, width, total = camera.height, camera.width, 0
    for above_finest in range(num_levels(height, width, CONFIG.coarsest_rows)):
        iterations = max(MIN_ITERATIONS, CONFIG.iterations - CONFIG.iterations_less * above_finest)
        total += CONFIG.warps * iterations * height * width
        height, width = -(-height // 2), -(-width // 2)
    return total


def seconds_of(work: Callable[[], object]) -> float:
    """Median over runs for about SECONDS; the first do not count."""
    taken: list[float] = []
    while len(taken) < RUNS or sum(taken) < SECONDS:
        synchronize()
        start = time.perf_counter()
        work()
        synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[WARM_UPS:])


def synchronize() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def copy_rate() -> float:
    """Bytes read and written a second, copying a tensor many times the caches' size."""
    source = torch.empty(2**10 if SMOKE else 2**30, dtype=torch.float32, device=DEVICE).fill_(1)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / seconds_of(lambda: target.copy_(source))


def check() -> None:
    """Flow of three pairs against plain torch on the CPU."""
    camera = camera_of(*QVGA)
    pair = pairs(camera, 3)
    flow = scene_flow_triton(pair, camera, CONFIG)
    on_cpu = RGBDPair(*(image.cpu() for image in vars(pair).values()))
    expected = scene_flow(on_cpu, camera, CONFIG)
    length = expected.motion.norm(dim=1)
    moving = length > 0.005
    difference = (flow.motion.cpu() - expected.motion).norm(dim=1)[moving].mean() / length[moving].mean()
    say("mean difference from plain torch, of the mean motion", difference.item(), "1", "bound", 1e-3)
    assert difference <= 1e-3


def rate(size: tuple[int, int], batch: int, bytes_a_second: float, label: str = "") -> None:
    camera = camera_of(*size)
    pair = pairs(camera, batch)
    seconds = seconds_of(lambda: scene_flow_triton(pair, camera, CONFIG)) / batch
    say_rate(f"{size[1]}x{size[0]}, batch {batch}{label}", seconds, camera, bytes_a_second)


def say_rate(name: str, seconds: float, camera: Camera, bytes_a_second: float) -> None:
    moved = float(BYTES_A_PIXEL_ITERATION * pixel_iterations(camera))
    floor = moved / bytes_a_second
    more = {"ms_a_pair": 1e3 * seconds, "floor_ms_a_pair": 1e3 * floor, "bytes_a_pair": moved}
    say(name, 1 / seconds, "pairs/s", "memory alone", 1 / floor, **more)


def rate_of_graph(batch: int, bytes_a_second: float) -> None:
    """The same launches replayed as a CUDA graph: what the host's launches cost a small batch."""
    camera = camera_of(*QVGA)
    pair = pairs(camera, batch)
    scene_flow_triton(pair, camera, CONFIG)  # compiles, which a capture must not
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        scene_flow_triton(pair, camera, CONFIG)
    seconds = seconds_of(graph.replay) / batch
    say_rate(f"{QVGA[1]}x{QVGA[0]}, batch {batch}, CUDA graph", seconds, camera, bytes_a_second)


def beside_torch() -> None:
    camera = camera_of(*QVGA)
    pair = pairs(camera, TORCH_BATCH)
    ours, plain = (seconds_of(lambda s=solve: s(pair, camera, CONFIG)) for solve in (scene_flow_triton, scene_flow))
    name = f"{QVGA[1]}x{QVGA[0]}, batch {TORCH_BATCH}, beside torch"
    say(name, TORCH_BATCH / ours, "pairs/s", "plain torch", TORCH_BATCH / plain)


def try_tiles(bytes_a_second: float) -> None:
    for tile in TILES:
        pixel_tiles.TILE = pixel_tiles.Tile(*tile)
        rate(QVGA, OTHER_BATCH, bytes_a_second, f", tile {tile[0]}x{tile[1]}, {tile[2]} warps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--tiles", action="store_true")
    arguments = parser.parse_args()
    published = FlowSection()
    assert all(getattr(published, name) == value for name, value in vars(PublishedFlow()).items())
    check()
    bytes_a_second = copy_rate()
    device = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu, interpreted"
    say("copy of a large tensor", bytes_a_second / 1e9, "GB/s", "H200 datasheet", 4800.0, device=device)
    for batch in BATCHES:
        rate(QVGA, batch, bytes_a_second)
    for size in OTHER_SIZES:
        rate(size, OTHER_BATCH, bytes_a_second)
    beside_torch()
    if DEVICE == "cuda":
        rate_of_graph(1, bytes_a_second)
        rate_of_graph(8, bytes_a_second)
    if arguments.tiles:
        try_tiles(bytes_a_second)


if __name__ == "__main__":
    main()
