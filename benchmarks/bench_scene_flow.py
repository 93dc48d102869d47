"""RGB-D scene flow on the processor, beside OpenCV's optical flow on the same frames in the same run.

python benchmarks/bench_scene_flow.py    with MOTIONPIPE_TEST_DATA: Kinect pairs; else generated frames

At 320x240: pairs a second of scene flow, published iterations, against DualTVL1 with its defaults, DIS medium and the
plain solver, with one thread and with two. All take the same two pairs in interleaved rounds, so load on the machine
hits them alike; OpenCV finds 2-D flow, of the brightness alone, pair after pair, on as many threads. Then what a pair
costs at other sizes and in batches, and the stages that it is spent in.
"""

import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from motionpipe.models import scene_flow_compiled
from motionpipe.models.rgbd_pair import RGBDPair
from motionpipe.models.rgbd_pyramid import halve_depth, halve_intensity
from motionpipe.models.scene_flow import scene_flow
from motionpipe.models.scene_flow_reference import reference_scene_flow
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection

COMMAND = "python benchmarks/bench_scene_flow.py"
PUBLISHED = FlowSection()
ROUNDS = 6
DIS_MEDIUM = cv2.DISOpticalFlow_PRESET_MEDIUM
SIZES = ((106, 128), (212, 256), (240, 320), (424, 512), (480, 640))
STAGES = ("halve_intensity", "halve_depth", "surface_weights", "image_gradient", "upsample", "residuals", "solve_level")
STAGES += ("limit_and_filter", "lift")


def main() -> None:
    large = pairs()
    small = RGBDPair(
        halve_intensity(large.intensity1),
        halve_depth(large.depth1),
        halve_intensity(large.intensity2),
        halve_depth(large.depth2),
    )
    start = time.perf_counter()
    scene_flow(small, camera_of(320, 240), PUBLISHED)
    report("first call, compiling or reading the machine code from disk", time.perf_counter() - start, "s")
    report_parity(small)
    for threads in (1, 2):
        compare(small, threads)
    for size in SIZES:
        for batch in (1, 4, 16):
            report_cost(large, size, batch)
    report_stages(small)


def report(figure: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
    ratio = round(value / peer_value, 3) if peer_value else None
    numbers = {"value": round(value, 5), "unit": unit, "peer": peer}
    numbers |= {"peer_value": peer_value and round(peer_value, 5), "ratio": ratio, "command": COMMAND}
    print(json.dumps({"figure": figure} | numbers, ensure_ascii=False), flush=True)


# ---- frames


def pairs() -> RGBDPair:
    """Two pairs at 640x480."""
    data = os.environ.get("MOTIONPIPE_TEST_DATA")
    if not data:
        return generated_pairs()
    kinect, walking = Path(data, "fixtures/pdflow/3"), Path(data, "fixtures/joint_vo_sf/two people walking")
    files = [[kinect / f"{kind}{n}.png" for n in (1, 2) for kind in "iz"]]
    files.append([walking / f"{kind}{n}.png" for n in (0, 1) for kind in ("color", "depth")])
    stacks = [torch.stack([read(four[k], k % 2 == 1) for four in files]) for k in range(4)]
    return RGBDPair(*stacks)


def read(path: Path, is_depth: bool) -> torch.Tensor:
    """Grey 0..255, or metres from TUM's fifths of a millimetre; beyond 10 m is invalid."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED if is_depth else cv2.IMREAD_GRAYSCALE)
    assert image is not None, path
    values = torch.from_numpy(image.astype(np.float32) / (5000 if is_depth else 1))
    return values * (values < 10) if is_depth else values


def generated_pairs() -> RGBDPair:
    """A textured wall with a box before it that moves sideways and nearer."""
    generator, images = np.random.default_rng(0), []
    texture = cv2.GaussianBlur(generator.uniform(0, 255, (480, 660)).astype(np.float32), (0, 0), 3)
    texture = cv2.normalize(texture, None, 1, 254, cv2.NORM_MINMAX)
    for step in (0, 1):
        intensity, depth = texture[:, :640].copy(), np.full((480, 640), 2.5, np.float32)
        box = slice(140, 340), slice(220 + 6 * step, 420 + 6 * step)
        intensity[box], depth[box] = texture[140:340, 400:600], 1.5 - 0.02 * step
        images += [intensity, depth]
    return RGBDPair(*(torch.from_numpy(np.stack([image, image[:, ::-1]])) for image in images))


def camera_of(width: int, height: int) -> Camera:
    focal = width / 2 / np.tan(np.deg2rad(62.5) / 2)
    return Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def resized(pair: RGBDPair, size: tuple[int, int], batch: int) -> RGBDPair:
    """The first pair, `batch` times."""
    height, width = size
    images = []
    for name, image in vars(pair).items():
        how = cv2.INTER_NEAREST if "depth" in name else cv2.INTER_AREA
        images.append(torch.from_numpy(cv2.resize(image[0].numpy(), (width, height), interpolation=how)))
    return RGBDPair(*(image.expand(batch, -1, -1) for image in images))


# ---- figures


def report_parity(small: RGBDPair) -> None:
    camera = camera_of(320, 240)
    flow, expected = scene_flow(small, camera, PUBLISHED), reference_scene_flow(small, camera, PUBLISHED)
    moving = expected.motion.norm(dim=1) > 0.005
    difference = (flow.motion - expected.motion).norm(dim=1)[moving].mean()
    length = expected.motion.norm(dim=1)[moving].mean()
    report(
        "mean end-point difference on moving pixels", 1e3 * float(difference), "mm", "mean motion", 1e3 * float(length)
    )


def compare(small: RGBDPair, threads: int) -> None:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    camera = camera_of(320, 240)
    frames = [[image.numpy().astype(np.uint8) for image in (small.intensity1[i], small.intensity2[i])] for i in (0, 1)]
    jobs: dict[str, Callable[[], object]] = {
        "scene flow": lambda: scene_flow(small, camera, PUBLISHED),
        "DualTVL1": lambda: [cv2.optflow.DualTVL1OpticalFlow_create().calc(*pair, None) for pair in frames],
        "DIS medium": lambda: [cv2.DISOpticalFlow.create(DIS_MEDIUM).calc(*pair, None) for pair in frames],
    }
    if threads == 1:  # as a stage would run it
        jobs["plain torch"] = lambda: reference_scene_flow(small, camera, PUBLISHED)
    walls: dict[str, list[float]] = defaultdict(list)
    cpus: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            wall, cpu = seconds(job)
            walls[name].append(len(frames) / wall)
            cpus[name].append(len(frames) / cpu)
    label = f"320x240, {threads} thread" + "s" * (threads > 1)
    for name in list(jobs)[1:]:
        for how, pick in (("best", max), ("median", statistics.median)):
            report(f"{label}, {how}", pick(walls["scene flow"]), "pairs/s", name, pick(walls[name]))
            report(f"{label}, {how}", pick(cpus["scene flow"]), "pairs/CPU-s", name, pick(cpus[name]))


def report_cost(large: RGBDPair, size: tuple[int, int], batch: int) -> None:
    height, width = size
    pair, camera, times = resized(large, size, batch), camera_of(width, height), []
    for _ in range(5):
        times.append(seconds(lambda: scene_flow(pair, camera, PUBLISHED)))
    wall, cpu = (min(column) / batch for column in zip(*times, strict=True))
    report(f"{width}x{height}, batch {batch}, 2 threads", 1e3 * wall, "ms a pair")
    report(f"{width}x{height}, batch {batch}, 2 threads", 1e3 * cpu, "CPU-ms a pair")


def report_stages(small: RGBDPair) -> None:
    """One pair on one thread; the best run of all stages together."""
    spent: dict[str, float] = defaultdict(float)
    originals = {name: getattr(scene_flow_compiled, name) for name in STAGES}
    for name, stage in originals.items():
        setattr(scene_flow_compiled, name, timed(name, stage, spent))
    pair, runs = RGBDPair(*(image[:1] for image in vars(small).values())), []
    for _ in range(5 * ROUNDS):
        spent.clear()
        _, cpu = seconds(lambda: scene_flow(pair, camera_of(320, 240), PUBLISHED))
        runs.append((cpu, dict(spent)))
    total, best = min(runs, key=lambda run: run[0])
    for name, stage in originals.items():
        setattr(scene_flow_compiled, name, stage)
        report(f"320x240, one pair: {name}", 1e3 * best[name], "CPU-ms", "the pair", 1e3 * total)
    report(
        "320x240, one pair: the rest, in Python", 1e3 * (total - sum(best.values())), "CPU-ms", "the pair", 1e3 * total
    )


def timed(name: str, stage: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        start = time.thread_time()
        result = stage(*arguments)
        spent[name] += time.thread_time() - start
        return result

    return run


def seconds(job: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
