"""A training step of CGM-Net beside one of the plain 3D network that is its encoder: time and peak memory.

Times are process times on a CPU (one thread, the best of interleaved rounds), wall times on a GPU.

python benchmarks/bench_cgm_net_step.py [--recipe cgm-net/small] [--clips 8]
"""

import argparse
import json
import subprocess
import sys
import time

import torch
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.models.cgm_net import CgmNetBatch, build, loss

COMMAND = "python benchmarks/bench_cgm_net_step.py"
CLASSES, ROUNDS = 101, 4
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PLAIN = {"lambda_hr": 0.0, "lambda_lr": 0.0, "lambda_class": 1.0, "pipeline": "backbone"}
VARIANTS = {
    "plain": PLAIN,
    "nearest": {"upsampling": "nearest"},
    "bilinear": {"upsampling": "bilinear"},
    "cgmul": {"upsampling": "cgmul"},
    "cgmul lr+hr, 101 classes": {"lambda_class": 10.0, "pipeline": "lr+hr"},
}


class Step:
    """A network, its optimiser and a batch of noise."""

    def __init__(self, recipe: str, variant: str, clips: int) -> None:
        config = load_recipe(recipe).cgm_net
        config = type(config).model_validate(config.model_dump() | VARIANTS[variant])
        torch.manual_seed(0)
        self.net = build(config, CLASSES if config.lambda_class else None).to(DEVICE).train()
        self.optimiser = torch.optim.Adam(self.net.parameters(), 1e-3)
        frames = torch.rand(clips, config.clip_frames + 1, 3, config.crop, config.crop) * 2 - 1
        follows = torch.ones(clips, config.clip_frames, dtype=torch.bool)
        self.batch = CgmNetBatch(frames, torch.arange(clips) % CLASSES, follows).to(DEVICE)

    def run(self) -> float:
        """One step; its seconds."""
        clock = time.perf_counter if DEVICE.type == "cuda" else time.process_time
        began = clock()
        self.optimiser.zero_grad(set_to_none=True)
        loss(self.net, self.batch)["loss"].backward()
        self.optimiser.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return clock() - began


def peak_mib(recipe: str, variant: str, clips: int) -> float:
    """The most memory that this fresh process ever took: on a CPU its resident set, on a GPU what was allocated."""
    step = Step(recipe, variant, clips)
    for _ in range(2):
        step.run()
    if DEVICE.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 2**10


def mib_a_clip(recipe: str, variant: str, clips: int) -> float:
    """Peaks of two processes, with 4 times as many clips and with as many, by the clips that these are more."""
    command = [sys.executable, __file__, "--recipe", recipe, "--peak", variant, "--clips"]
    few, many = (
        float(subprocess.run([*command, str(count)], capture_output=True, text=True, check=True).stdout)
        for count in (clips, 4 * clips)
    )
    return (many - few) / (3 * clips)


def report(figure: str, unit: str, ours: float, plain: float) -> None:
    line = {"figure": figure, "value": round(ours, 3), "unit": unit, "peer": "3D network alone"}
    print(json.dumps(line | {"peer_value": round(plain, 3), "ratio": round(ours / plain, 3), "command": COMMAND}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="cgm-net/paper" if DEVICE.type == "cuda" else "cgm-net/small")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--peak", metavar="VARIANT", help="print one peak [MiB] and end")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        print(peak_mib(options.recipe, options.peak, options.clips))
        return
    steps = {name: Step(options.recipe, name, options.clips) for name in VARIANTS}
    rounds = [{name: step.run() for name, step in steps.items()} for _ in range(ROUNDS + 1)][1:]
    rates = {name: options.clips / min(row[name] for row in rounds) for name in VARIANTS}
    for name in VARIANTS:
        where = f"{name}, {options.recipe}, {options.clips} clips, {DEVICE.type}"
        report(f"training step {where}", "clips a second of the device", rates[name], rates["plain"])
    peaks = {name: mib_a_clip(options.recipe, name, options.clips) for name in VARIANTS}
    for name in VARIANTS:
        where = f"{name}, {options.recipe}, {options.clips} clips, {DEVICE.type}"
        report(f"training memory {where}", "MiB a clip", peaks[name], peaks["plain"])


if __name__ == "__main__":
    main()
