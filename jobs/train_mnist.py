"""LSTM experiments on Moving MNIST, on a machine with torch and NumPy alone: train for so long, test, draw.

    python -m motionpipe.jobs.train_mnist DIGITS --out DIR --variant composite-conditional-future --minutes 25 \\
        --set batch=256 --set truth_share_end=0 --set truth_share_until=0.3

DIGITS holds MNIST's four IDX files. Variants are those of table 2 of Srivastava et al. 2015 and the autoencoders. Below
DIR each has a folder with metrics.jsonl, curve.svg, pictures and a checkpoint from which the same command goes on; its
figures on the fixed test set are a line of DIR/results.jsonl.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..models import lstm
from ..pipeline.batches_lstm import DigitBatches
from ..pipeline.hidden_activity import activity_picture, hidden_activity, run_on
from ..pipeline.idx_files import find_idx, read_idx
from ..pipeline.moving_mnist import SIDE, TEST_SEQUENCES, MovingMnist, fixed_test_set
from ..pipeline.png import animated_png_bytes, png_bytes
from ..pipeline.predicted_frames import predict_frames
from ..pipeline.score_prediction import score_predictions
from ..pipeline.sequence_pictures import sequence_animation, sequence_rows
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from .argument_numbers import positive
from .mnist_run import DEFAULTS, MnistRun, Paused, read_lines, train_run

VARIANTS: dict[str, dict[str, Any]] = {
    "future": {"decoders": ("future",), "conditional": ()},
    "conditional-future": {"decoders": ("future",), "conditional": ("future",)},
    "composite": {"decoders": ("reconstruction", "future"), "conditional": ()},
    "composite-conditional-future": {"decoders": ("reconstruction", "future"), "conditional": ("future",)},
    "autoencoder": {"decoders": ("reconstruction",), "conditional": ()},
    "conditional-autoencoder": {"decoders": ("reconstruction",), "conditional": ("reconstruction",)},
}
PUBLISHED = {
    "future": 350.2,
    "composite": 344.9,
    "conditional-future": 343.5,
    "composite-conditional-future": 341.2,
}
"""Table 2: nats a frame of the ten future frames."""
TEST_BATCH = 100
SHOWN = 4
CHOICES: dict[str, tuple[str, ...]] = {
    "start": ("released", "orthogonal"),
    "output": ("bernoulli", "gaussian"),
    "optimiser": ("adam", "momentum"),
    "precision": ("float32", "bf16"),
}
BOUNDS: dict[str, tuple[float, float]] = {
    "hidden": (1, 65_536),
    "layers": (1, 8),
    "input_frames": (1, 1000),
    "future_frames": (1, 1000),
    "batch": (1, 1_000_000),
    "seed": (0, 2_147_483_647),
    "truth_share": (0, 1),
    "truth_share_end": (0, 1),
    "truth_share_until": (1e-6, 1),
    "warmup": (0, 1),
    "learning_rate": (1e-9, 1e3),
    "grad_clip": (1e-9, 1e12),
    "weight_decay": (0, 1e3),
}
NUM_FRAMES = MovingMnist.num_frames


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="train_mnist", description=__doc__.split("\n")[0])
    parser.add_argument("digits", type=Path, help="folder of MNIST's IDX files, plain or gzipped")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and results.jsonl")
    parser.add_argument("--variant", action="append", required=True, choices=sorted(VARIANTS))
    parser.add_argument(
        "--minutes", type=positive(float), help="end training of each variant after so long; the rate falls by it"
    )
    parser.add_argument("--steps", type=positive(int), help="end it after so many steps instead")
    parser.add_argument("--test-sequences", type=positive(int), default=TEST_SEQUENCES, help="of the fixed test set")
    parser.add_argument(
        "--readers", type=positive(int), default=1, help="threads that make sequences ahead; none with --graph"
    )
    parser.add_argument(
        "--pause-after",
        type=float,
        default=math.inf,
        metavar="MINUTES",
        help="save and end after so long",
    )
    parser.add_argument("--graph", action="store_true", help="replay the step as a CUDA graph; needs a GPU")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", dest="assignments")
    given = parser.parse_args(arguments)
    try:
        experiment(given)
    except MotionpipeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except Paused as pause:
        print(f"{pause}; the same command goes on")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint, if there is one", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def experiment(given: argparse.Namespace) -> None:
    """Train, test and draw every variant that has no line in results.jsonl yet; then the table."""
    if (given.minutes is None) == (given.steps is None):
        raise MotionpipeError("give --minutes or --steps")
    if not given.pause_after >= 0:
        raise MotionpipeError(f"--pause-after {given.pause_after}: expected minutes from 0")
    started, settings = time.monotonic(), changed_settings(given.assignments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if given.graph and device.type != "cuda":
        raise MotionpipeError("--graph records work of a GPU, and there is none here")
    train = DigitBatches.on(MovingMnist(read_part(given.digits, "train"), "train", settings["seed"]), device)
    test = DigitBatches.on(fixed_test_set(read_part(given.digits, "t10k")), device)
    results = given.out / "results.jsonl"
    budget = {"minutes": given.minutes, "steps": given.steps}
    for variant in given.variant:
        asked = {"variant": variant, "settings": settings, **budget, "test_sequences": given.test_sequences}
        if any(json.loads(json.dumps(asked)).items() <= row.items() for row in read_lines(results)):
            continue
        run = MnistRun(
            store=Store.at(str(given.out)),
            name=variant,
            settings=settings | VARIANTS[variant],
            **budget,
            readers=given.readers,
            graph=given.graph,
            pause_after_s=60 * given.pause_after - (time.monotonic() - started),
        )
        validate = partial(scores, test=test, count=min(1000, given.test_sequences))
        net, trained = train_run(run, train, device, validate)
        row = asked | trained | {"test": scores(net, test, given.test_sequences)}
        draw(net, test, given.out / variant)
        if "future" in VARIANTS[variant]["decoders"]:
            draw_activity(net, settings, test, given.out / variant)
        with results.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
    print("\n".join(summary_lines(read_lines(results))))


def scores(net: lstm.LSTMNet, test: DigitBatches, count: int) -> dict[str, Any]:
    """Figures of each decoder on the first `count` sequences of the fixed test set, running freely."""
    spans = ((start, min(start + TEST_BATCH, count)) for start in range(0, count, TEST_BATCH))
    found = score_predictions(net, (test.batch(*span) for span in spans))
    return {
        name: {
            what: [round(v, 3) for v in value] if isinstance(value, list) else round(value, 3)
            for what, value in asdict(score).items()
        }
        for name, score in found.items()
    }


def draw(net: lstm.LSTMNet, test: DigitBatches, folder: Path) -> None:
    """Pictures of a few test sequences: rows of frames as PNG, the same as an animated PNG."""
    batch = test.batch(0, SHOWN)
    for number, (truth, made) in enumerate(predict_frames(net, batch, (SIDE, SIDE))):
        rows = sequence_rows(truth, made, net.config.input_frames)
        (folder / f"sequence-{number}.png").write_bytes(png_bytes(rows))
        moving = animated_png_bytes(sequence_animation(truth, made, net.config.input_frames))
        (folder / f"sequence-{number}-animated.png").write_bytes(moving)


def draw_activity(net: lstm.LSTMNet, settings: dict[str, Any], test: DigitBatches, folder: Path) -> None:
    """Hidden units of the future decoder run on: above of the trained network, below of a random one."""
    torch.manual_seed(settings["seed"])
    random = lstm.build(net.config, SIDE * SIDE).to(test.images.device)
    steps = run_on(net.config.future_frames)
    activities = [hidden_activity(each, test.batch(0, 1), steps) for each in (net, random)]
    (folder / "activity.png").write_bytes(png_bytes(activity_picture(activities, net.config.future_frames)))


def _published(row: dict[str, Any]) -> float | str:
    """The paper's figure where the task is the paper's."""
    settings = row["settings"]
    same = (settings["output"], settings["input_frames"], settings["future_frames"]) == ("bernoulli", 10, 10)
    return PUBLISHED.get(row["variant"], "–") if same else "–"


def read_part(folder: Path, part: str) -> npt.NDArray[np.uint8]:
    """The images of a part, uint8 (N, 28, 28)."""
    path = find_idx(folder, f"{part}-images-idx3-ubyte") if folder.is_dir() else None
    if path is None:
        raise MotionpipeError(f"{folder} holds no {part}-images-idx3-ubyte, plain or gzipped")
    assert isinstance(path, Path)
    return read_idx(path)


def changed_settings(assignments: list[str]) -> dict[str, Any]:
    """The defaults with the fields that were assigned; MotionpipeError where one is unknown or of another type."""
    settings = dict(DEFAULTS)
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or name not in settings:
            raise MotionpipeError(f"--set {text}: expected FIELD=VALUE with one of {', '.join(settings)}")
        kind = type(settings[name])
        try:
            settings[name] = json.loads(value) if kind is bool else kind(value)
            if type(settings[name]) is not kind:
                raise ValueError(value)
        except ValueError as error:
            raise MotionpipeError(f"--set {text}: {name} is a {kind.__name__}") from error
    _require_sense(settings)
    return settings


def _require_sense(settings: dict[str, Any]) -> None:
    for name, choices in CHOICES.items():
        if settings[name] not in choices:
            raise MotionpipeError(f"--set {name}={settings[name]}: expected {' or '.join(choices)}")
    for name, (least, most) in BOUNDS.items():
        if not least <= settings[name] <= most:
            raise MotionpipeError(f"--set {name}={settings[name]}: expected {least:g} to {most:g}")
    if settings["truth_share_end"] > settings["truth_share"]:
        raise MotionpipeError(
            f"the share of truth would rise from {settings['truth_share']} to {settings['truth_share_end']}: set "
            "truth_share_end too"
        )
    frames = settings["input_frames"] + settings["future_frames"]
    if frames > NUM_FRAMES:
        raise MotionpipeError(f"{frames} frames, input and future, are more than the {NUM_FRAMES} of a test sequence")


def summary_lines(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each result: nats a frame beside what was published and what costs nothing."""
    lines = [
        f"{'variant':30} {'steps':>7} {'future':>8} {'published':>9} {'reconstr.':>9} {'constant':>8} {'floor':>6}"
    ]
    for row in rows:
        future, back = (row["test"].get(name) for name in ("future", "reconstruction"))
        either = future or back
        figures = [
            f"{future['loss']:8.1f}" if future else f"{'–':>8}",
            f"{_published(row):>9}",
            f"{back['loss']:8.1f}" if back else f"{'–':>8}",
            f"{either['constant']:8.1f} {either['floor']:6.1f}",
        ]
        lines.append(f"{row['variant']:30} {row['trained_steps']:7d} " + " ".join(figures))
    return lines


if __name__ == "__main__":
    sys.exit(main())
