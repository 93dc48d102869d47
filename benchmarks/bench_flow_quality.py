"""Accuracy of scene flow beside optical flow lifted by depth: exact scenes, Middlebury, real recordings.

python benchmarks/bench_flow_quality.py [--out FOLDER] [--only scenes,middlebury,walking,ntu,msr] [--pairs 8]

Real recordings need MOTIONPIPE_TEST_DATA. Without truth, three figures: the residual of brightness, that of depth (0 by
construction where optical flow was lifted), and how far from its start flow there and back leaves a point.
NTU and MSR also have joints: how far the flow around a joint that moves 20 mm is from the joint's own motion.
--out: pictures of some pairs (frame, colour wheel of right and down, map of away, arrows; a row for each method).
"""

import argparse
import contextlib
import functools
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from flow_peers import OPTICAL, Array, Estimate, Pair, lifted, pd, still
from motionpipe.jobs.options import RunOptions
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.jobs.shard import shard
from motionpipe.pipeline.artefacts import SHARDS, read_manifest, read_samples
from motionpipe.pipeline.depth_intensity import depth_as_grey, rgb_as_grey, shading, silhouette
from motionpipe.pipeline.flow_pictures import diverging_colours, draw_arrows, round_up, valid_box, wheel_colours
from motionpipe.pipeline.lift_optical_flow import sample_depth
from motionpipe.pipeline.read_sample import has_stream, read_array, read_clip
from motionpipe.pipeline.skeleton import COLUMNS
from motionpipe.pipeline.store import Store
from motionpipe.pipeline.traced_scenes import Body, Plane, Sphere, camera_of, kinect_noise, trace_pair

COMMAND = "python benchmarks/bench_flow_quality.py"
MOVING_M, JOINT_MOVES_M, JOINT_DEPTH_M = 0.010, 0.020, 0.25
METHODS = {
    "pd": pd,
    "pd, lambda_i 0.32": functools.partial(pd, lambda_i=0.32),
    "pd, 3 warps": functools.partial(pd, warps=3),
    "dis-medium": functools.partial(lifted, OPTICAL["dis-medium"]),
    "tv-l1": functools.partial(lifted, OPTICAL["tv-l1"]),
    "still": still,
}
WALL = Body(Plane((0, 0, 1), 2.5))
CENTRE = (0.05, 0.0, 1.5)
BALL = functools.partial(Body, Sphere(CENTRE, 0.35), pivot=CENTRE, texture=1)
FRONT = functools.partial(Body, Plane((0, 0, 1), 2.0))
SLOPE = functools.partial(Body, Plane((0.4, 0.25, 1), 2.0))
SCENES = {
    "plane, 30 mm right": [FRONT((0.03, 0, 0))],
    "plane, 30 mm down": [FRONT((0, 0.03, 0))],
    "plane, 100 mm right": [FRONT((0.10, 0, 0))],
    "plane, 50 mm nearer": [FRONT((0, 0, -0.05))],
    "plane, 100 mm away": [FRONT((0, 0, 0.10))],
    "slope, shifts and turns": [SLOPE((0.02, -0.015, 0.03), (0.02, -0.03, 0.04))],
    "slope, turns": [SLOPE(rotation=(0, 0, 0.06))],
    "ball, 30 mm right": [WALL, BALL((0.03, 0, 0))],
    "ball, 50 mm right and nearer": [WALL, BALL((0.03, 0, -0.04))],
    "ball, 115 mm right and nearer": [WALL, BALL((0.08, 0.02, -0.08))],
    "ball, turns": [WALL, BALL(rotation=(0.05, 0.1, 0))],
}


def say(figure: str, values: dict[str, float], unit: str, digits: int = 3) -> None:
    """A line for each peer; "pd" is ours."""
    ours = values.pop("pd")
    for peer, value in values.items():
        line = {"figure": figure, "value": round(ours, digits), "unit": unit, "peer": peer}
        ratio = round(ours / value, 3) if value else None
        print(json.dumps(line | {"peer_value": round(value, digits), "ratio": ratio, "command": COMMAND}), flush=True)


def scenes(size: tuple[int, int], noise_mm: float) -> None:
    """Moving bodies, and the still wall within 5 px of the ball."""
    camera = camera_of(*size)
    for name, bodies in SCENES.items():
        traced = trace_pair(camera, bodies)
        depth1, depth2 = (
            kinect_noise(depth, noise_mm, seed) if noise_mm else depth
            for seed, depth in enumerate((traced.depth1, traced.depth2))
        )
        pair = Pair(traced.intensity1, depth1, traced.intensity2, depth2, camera)
        estimates = {method: run(pair) for method, run in METHODS.items()}
        seen = np.logical_and.reduce([traced.seen, *(one.valid for one in estimates.values())])
        moving = traced.body == len(bodies) - 1
        parts = {"": moving}
        if len(bodies) > 1:
            around = cv2.dilate(moving.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0
            parts[", wall 1-5 px beside it"] = around & ~moving
        for part, where in parts.items():
            errors = {
                method: float(
                    1e3 * np.linalg.norm(one.motion.transpose(1, 2, 0) - traced.motion, axis=-1)[where & seen].mean()
                )
                for method, one in estimates.items()
            }
            say(f"{name}{part}, {size[0]}x{size[1]}, noise {noise_mm:g} mm", errors, "mm")


def middlebury(data: Path) -> None:
    """Optical flow alone: constant depth, so surfaces weigh the same everywhere."""
    folder = data / "fixtures" / "middlebury"
    grey1, grey2 = (
        cv2.imread(str(folder / f"other-data/RubberWhale/frame{n}.png"), cv2.IMREAD_GRAYSCALE) for n in (10, 11)
    )
    truth = cv2.readOpticalFlow(str(folder / "other-gt-flow/RubberWhale/flow10.flo")).transpose(2, 0, 1)
    known = (np.abs(truth) < 1e3).all(axis=0)
    height, width = grey1.shape
    depth = np.full(grey1.shape, 2.0, np.float32)
    pair = Pair(grey1, depth, grey2, depth, camera_of(width, height))
    flows = {name: run(grey1, grey2) for name, run in OPTICAL.items()}
    flows |= {"pd": pd(pair).optical, "pd, 3 warps": pd(pair, warps=3).optical}
    flows["pd, 5 warps, lambda_i 0.014"] = pd(pair, warps=5, lambda_i=0.014).optical  # as strong as TV-L1's
    flows["still"] = np.zeros_like(truth)
    ends = {name: float(np.linalg.norm(flow - truth, axis=0)[known].mean()) for name, flow in flows.items()}
    angles = {name: float(angular_error(flow, truth)[known].mean()) for name, flow in flows.items()}
    say("RubberWhale end-point error", ends, "px")
    say("RubberWhale angular error", angles, "degrees", 2)


def angular_error(flow: Array, truth: Array) -> Array:
    """Angle between (u, v, 1) and its truth, in degrees."""
    both = (flow * truth).sum(axis=0) + 1
    lengths = np.sqrt(((flow**2).sum(axis=0) + 1) * ((truth**2).sum(axis=0) + 1))
    return np.degrees(np.arccos(np.clip(both / lengths, -1, 1)))


def residuals(pair: Pair, estimates: dict[str, Estimate]) -> dict[str, dict[str, Array]]:
    """By figure and method, a value at each pixel that all methods have and that scene flow finds moving."""
    common = np.logical_and.reduce([one.valid for one in estimates.values()])
    moving = common & (np.linalg.norm(estimates["pd"].motion, axis=0) > MOVING_M)
    rows, cols = np.indices(pair.depth1.shape, dtype=np.float32)
    found: dict[str, dict[str, Array]] = {"brightness": {}, "depth": {}, "there and back": {}}
    for name, one in estimates.items():
        u, v = cols + one.optical[0].astype(np.float32), rows + one.optical[1].astype(np.float32)
        options = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
        after = cv2.remap(pair.grey2.astype(np.float32), u, v, **options)
        found["brightness"][name] = np.abs(after - pair.grey1)[moving]
        offset = sample_depth(pair.depth2, u, v) - pair.depth1 - one.motion[2]
        found["depth"][name] = 1e3 * np.abs(offset)[moving]
        if name != "still":
            returned = METHODS[name](pair.reversed()).motion
            back = np.stack([cv2.remap(part.astype(np.float32), u, v, **options) for part in returned])
            found["there and back"][name] = 1e3 * np.linalg.norm(one.motion + back, axis=0)[moving]
    return found


def joint_errors(estimates: dict[str, Estimate], depth1: Array, now: Array, then: Array) -> dict[str, list[float]]:
    """Distance [mm] of the median flow in 5x5 px around each moving joint from the joint's motion; (bodies, J, 8)."""
    found: dict[str, list[float]] = {name: [] for name in estimates}
    x, u = COLUMNS.index("x"), COLUMNS.index("depth_x")
    common = np.logical_and.reduce([one.valid for one in estimates.values()])
    for a, b in zip(now.reshape(-1, len(COLUMNS)), then.reshape(-1, len(COLUMNS)), strict=True):
        step = (b - a)[x : x + 3] * [1, -1, 1]  # skeletons have y up
        if not np.isfinite(step).all() or not np.isfinite(a[u : u + 2]).all() or np.linalg.norm(step) < JOINT_MOVES_M:
            continue
        col, row = np.rint(a[u : u + 2]).astype(int)
        window = slice(max(row - 2, 0), row + 3), slice(max(col - 2, 0), col + 3)
        near = common[window] & (np.abs(depth1[window] - a[x + 2]) < JOINT_DEPTH_M)
        if near.sum() >= 5:
            for name, one in estimates.items():
                flow = np.median(one.motion[(slice(None), *window)][:, near], axis=1)
                found[name].append(float(1e3 * np.linalg.norm(flow - step)))
    return found


def walking(data: Path) -> Iterator[tuple[str, Pair]]:
    """A registered Kinect pair of two people who walk, halved to QVGA as the published program does."""
    folder = data / "fixtures" / "joint_vo_sf" / "two people walking"
    images = []
    for n in (0, 1):
        grey = cv2.imread(str(folder / f"color{n}.png"), cv2.IMREAD_GRAYSCALE)
        depth = cv2.imread(str(folder / f"depth{n}.png"), cv2.IMREAD_UNCHANGED)[::2, ::2] / np.float32(5000)
        images += [cv2.resize(grey, (320, 240), interpolation=cv2.INTER_AREA), depth.astype(np.float32)]
    yield "walking", Pair(*images, camera_of(320, 240))


def stored(data: Path, dataset: str, folder: str, pairs: int) -> Iterator[tuple[str, Pair, Array, Array]]:
    """Pairs of all recordings, as `shard` stores them, with the joints at both moments."""
    with tempfile.TemporaryDirectory() as scratch:
        store, recipe = Store.at(f"{scratch}/store"), load_recipe(None)
        with contextlib.redirect_stdout(sys.stderr):
            shard(store, recipe, dataset, data / "fixtures" / folder, RunOptions(workers=0, max_reject_rate=1.0))
        for number, entry in read_samples(store, SHARDS, read_manifest(store, SHARDS, "motionpipe shard")):
            if not has_stream(entry, "depth") or "joints.npy" not in entry.members:
                continue
            streams = [s for s in ("rgb", "depth") if has_stream(entry, s)]
            clip = read_clip(store, SHARDS, number, entry, streams)
            stride = recipe.flow.stride_at(entry.fps)
            joints = read_array(store, SHARDS, number, entry, "joints.npy")
            for i in np.linspace(0, len(clip) - stride - 1, pairs).round().astype(int):
                metres = clip.depth[[i, i + stride]].astype(np.float32) / 1000
                registered = clip.rgb is not None and clip.rgb.shape[1:3] == metres.shape[1:]
                grey = (
                    rgb_as_grey(clip.rgb[[i, i + stride]], metres) if registered else shading(metres, clip.depth_camera)
                )
                pair = Pair(grey[0], metres[0], grey[1], metres[1], clip.depth_camera)
                yield f"{dataset}-{entry.key}-{i:03d}", pair, joints[i], joints[i + stride]


def brightness(data: Path, pairs: int) -> None:
    """Depth alone: what scene flow is asked constancy of, judged by joints of MSR Action3D."""
    joints = []
    for _, pair, *around in stored(data, "msr-action3d", "msraction3d", pairs):
        depth = np.stack([pair.depth1, pair.depth2])
        near, far = np.percentile(depth[depth > 0], (1, 99))
        greys = {
            "shading": np.stack([pair.grey1, pair.grey2]),
            "silhouette": silhouette(depth),
            "depth": depth_as_grey(depth, near, far),
            "none": np.zeros_like(depth),
        }
        estimates = {name: METHODS["pd"](replace(pair, grey1=a, grey2=b)) for name, (a, b) in greys.items()}
        joints.append(joint_errors(estimates | {"still": METHODS["still"](pair)}, pair.depth1, *around))
    means = {name: float(np.mean([e for one in joints for e in one[name]])) for name in joints[0]}
    means["pd"] = means.pop("shading")
    say(
        f"msr-action3d, shading and other brightness, flow at {sum(len(one['none']) for one in joints)} moving joints",
        means,
        "mm",
    )


def report_pairs(title: str, found: list[dict[str, dict[str, Array]]], joints: list[dict[str, list[float]]]) -> None:
    for figure, unit in (("brightness", "grey levels"), ("depth", "mm"), ("there and back", "mm")):
        means = {m: float(np.concatenate([one[figure][m] for one in found]).mean()) for m in found[0][figure]}
        say(f"{title}, {figure}, moving pixels", means, unit)
    if joints:
        means = {m: float(np.mean([e for one in joints for e in one[m]])) for m in joints[0]}
        say(f"{title}, flow at {sum(len(one['pd']) for one in joints)} moving joints", means, "mm")


def pictures(file: Path, pair: Pair, estimates: dict[str, Estimate]) -> None:
    """A row for each method, around what has depth: frame with arrows, colour wheel of right and down, away."""
    lengths = np.linalg.norm(estimates["pd"].motion, axis=0)[estimates["pd"].valid]
    scale = round_up(float(np.percentile(lengths, 98))) if lengths.size else 1.0
    box = valid_box(pair.depth1 > 0, 8)
    zoom = max(1, round(320 / (box[0].stop - box[0].start)))
    frame = enlarged(cv2.cvtColor(np.rint(pair.grey1[box]).astype(np.uint8), cv2.COLOR_GRAY2RGB), zoom)
    rows = []
    for name, one in estimates.items():
        known, motion = (one.valid & (pair.depth1 > 0))[box], one.motion[:, *box]
        every = (slice(None), slice(3, None, 6), slice(3, None, 6))
        arrows = draw_arrows(frame, one.optical[:, *box][every], 6 * zoom, known[every[1:]], factor=2 * zoom)
        cv2.putText(arrows, f"{name}, {1e3 * scale:.0f} mm", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 90, 0), 1)
        maps = wheel_colours(motion[:2], scale, known), diverging_colours(motion[2], scale, known)
        rows.append(np.hstack([arrows, *(enlarged(one_map, zoom) for one_map in maps)]))
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def enlarged(picture: Array, zoom: int) -> Array:
    return picture.repeat(zoom, axis=0).repeat(zoom, axis=1)


def real(title: str, items: Iterator[tuple[Any, ...]], out: Path | None, drawn: int) -> None:
    found, joints = [], []
    for count, (name, pair, *around) in enumerate(items):
        estimates = {method: run(pair) for method, run in METHODS.items()}
        found.append(residuals(pair, estimates))
        if around:
            joints.append(joint_errors(estimates, pair.depth1, *around))
        if out and count % drawn == drawn // 2:
            pictures(out / f"{name}.png", pair, {m: e for m, e in estimates.items() if m != "still"})
    report_pairs(title, found, joints)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="scenes,middlebury,walking,ntu,msr,brightness")
    parser.add_argument("--pairs", type=int, default=8, help="of each recording")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    wanted = options.only.split(",")
    if "scenes" in wanted:
        scenes((320, 240), 1.5)
        scenes((160, 120), 0.0)
    folder = os.environ.get("MOTIONPIPE_TEST_DATA")
    if not folder:
        return
    data = Path(folder)
    if "middlebury" in wanted:
        middlebury(data)
    if "walking" in wanted:
        real("two people walking", walking(data), options.out, 1)
    for name, dataset, place in (("ntu", "ntu", "ntu"), ("msr", "msr-action3d", "msraction3d")):
        if name in wanted:
            real(dataset, stored(data, dataset, place, options.pairs), options.out, options.pairs)
    if "brightness" in wanted:
        brightness(data, options.pairs)


if __name__ == "__main__":
    main()
