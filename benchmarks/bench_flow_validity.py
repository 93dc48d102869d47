"""What the forward-backward check and depth jumps buy: error of scene flow on the cells that are kept, and their part.

python benchmarks/bench_flow_validity.py [recordings]

Generated recordings with exact truth (subjects 1, 3; cameras 1, 2; actions 8, 23, 27; 20 frames at 10/s, depth 512x424
with dropout, stored at 155x128). Both directions of every pair are solved once; each row below is arithmetic on them.
Cells are those that move at least 10 mm by the truth; "occluded" is the part of the figure's pixels that are hidden in
the second frame and still count as valid.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from motionpipe.jobs.options import RunOptions
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.jobs.shard import shard
from motionpipe.models.flow_consistency import consistent
from motionpipe.models.rgbd_pair import RGBDPair
from motionpipe.models.scene_flow import scene_flow
from motionpipe.pipeline.artefacts import SHARDS, read_manifest, read_samples
from motionpipe.pipeline.dense_flow import brightness_of, scene_images
from motionpipe.pipeline.depth_frames import beside_jump
from motionpipe.pipeline.flow_cells import cell_means
from motionpipe.pipeline.generate_ntu import (
    GeneratorConfig,
    Truth,
    list_recordings,
    load_truth,
    truth_frame,
    write_recording,
)
from motionpipe.pipeline.read_sample import read_clip
from motionpipe.pipeline.store import Store
from motionpipe.schemas.clip import Clip
from motionpipe.schemas.flow_section import FlowSection

COMMAND = "python benchmarks/bench_flow_validity.py"
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 12
SET = GeneratorConfig(
    subjects=(1, 3), cameras=(1, 2), actions=(8, 23, 27), num_frames=20, fps=10.0, rgb_size=(960, 540), dropout=True
)
CHECKS = [(0.0, 0.0)] + [(a, s) for s in (0.005, 0.01, 0.02, 0.03, 0.05, 0.1) for a in (0.01, 0.05, 0.2)]
JUMPS_M = (0.0, 0.05, 0.1, 0.2)
CELL = 4
Bools = npt.NDArray[np.bool_]


@dataclass
class Row:
    """Sums over the pairs of one setting."""

    error_mm: list[npt.NDArray[np.float64]]
    cells: int = 0
    occluded: int = 0


def main() -> None:
    """Generate, shard, solve and compare."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rows = {(alpha, slack, jump): Row([]) for alpha, slack in CHECKS for jump in JUMPS_M if not (slack and jump)}
    hidden_pixels = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "ntu"
        for recording in list_recordings(SET)[:COUNT]:
            write_recording(root, recording)
        store = Store.at(str(Path(folder) / "store"))
        recipe = load_recipe(None, ["shard.short_side=128"])
        shard(store, recipe, "ntu", root, RunOptions(workers=0))
        for number, entry in read_samples(store, SHARDS, read_manifest(store, SHARDS, "shard")):
            clip = read_clip(store, SHARDS, number, entry, ["rgb", "depth"])
            hidden_pixels += one_recording(clip, load_truth(root, entry.recording_id), rows)
    base = rows[0.0, 0.0, 0.0]
    plain = np.concatenate(base.error_mm)
    for (alpha, slack, jump), row in rows.items():
        errors = np.concatenate(row.error_mm)
        name = f"alpha {alpha:g}, slack {slack:g} m, depth jump {jump:g} m"
        say(f"mean error of moving cells, {name}", float(errors.mean()), "mm", float(plain.mean()))
        say(
            f"95 % of moving cells err less, {name}",
            float(np.percentile(errors, 95)),
            "mm",
            float(np.percentile(plain, 95)),
        )
        say(f"moving cells kept, {name}", len(errors), "cells", len(plain))
        say(f"all cells kept, {name}", row.cells, "cells", base.cells)
        say(f"hidden pixels that count, {name}", row.occluded, "pixels", hidden_pixels, "hidden pixels")


def say(figure: str, value: float, unit: str, peer_value: float, peer: str = "no check") -> None:
    """One line of the benchmark."""
    line = {"figure": figure, "value": round(value, 2), "unit": unit, "peer": peer, "peer_value": round(peer_value, 2)}
    print(json.dumps(line | {"ratio": round(value / max(peer_value, 1e-9), 4), "command": COMMAND}), flush=True)


def one_recording(clip: Clip, truth: Truth, rows: dict[tuple[float, float, float], Row]) -> int:
    """Add a recording to every row; returns how many of its pixels are hidden in the second frame."""
    config = FlowSection(method="pd")
    images = scene_images(clip, brightness_of("auto", True), torch.device("cpu"))
    depth, camera, hidden_pixels = clip.depth, clip.depth_camera, 0
    assert depth is not None
    assert camera is not None
    for pair in range(len(clip) - 1):
        now, then = images(np.array([pair])), images(np.array([pair + 1]))
        both = [torch.cat(parts) for parts in zip((*now, *then), (*then, *now), strict=True)]
        result = scene_flow(RGBDPair(*both), camera, config)
        there, back = result.motion.tensor_split(2)
        true_flow, true_valid = (
            cv2.resize(array.astype(np.float32), (camera.width, camera.height), interpolation=cv2.INTER_NEAREST_EXACT)
            for array in truth_frame(truth, pair)
        )
        hidden = (true_valid == 0) & (np.abs(true_flow).sum(axis=2) > 0) & (depth[pair] > 0)
        hidden_pixels += int(hidden.sum())
        wanted, wanted_counts = cell_means(true_flow.transpose(2, 0, 1)[None], true_valid[None] > 0, CELL)
        for (alpha, slack, jump), row in rows.items():
            valid: Bools = result.valid[:1].numpy().copy()
            if slack:
                valid &= consistent(there, back, result.optical[:1], alpha, slack, then[1] > 0).numpy()
            if jump:
                valid &= ~beside_jump(depth[pair], 1000 * jump)[None]
            found, counts = cell_means(there.numpy(), valid, CELL)
            kept = counts >= 0.5 * CELL**2
            both_valid = kept & (wanted_counts >= 0.5 * CELL**2)
            error = 1000 * np.linalg.norm(found - wanted, axis=1)[both_valid]
            moving = 1000 * np.linalg.norm(wanted, axis=1)[both_valid] >= 10
            row.error_mm.append(error[moving])
            row.cells += int(kept.sum())
            row.occluded += int((valid[0] & hidden).sum())
    return hidden_pixels


if __name__ == "__main__":
    main()
