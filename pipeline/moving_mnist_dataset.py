"""The dataset `moving-mnist`: MNIST's digit files to recordings, and a recording to its generated sample."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import DataSection
from ..schemas.recording import PlannedRecording, Recording
from .coded_stream import hash_files
from .fetch_files import SourcePath, local_files
from .idx_files import find_idx, read_idx
from .moving_mnist import DIGIT, SIDE, TEST_SEED, MovingMnist, Part
from .samples import npy_bytes
from .write_shard import Sample

PROTOCOLS = ("official",)
FPS = 10.0
"""Generated frames have no time; at this nominal rate one flow step is one frame."""

_FILE_NAMES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Digits:
    """The digits of a part: images uint8 (N, 28, 28), classes (N,) where there is a label file, the files' hash."""

    images: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.uint8] | None
    source_hash: str


def index_moving_mnist(source: SourcePath, data: DataSection) -> list[Recording]:
    """The training sequences, then those of the fixed test set. Only parts that are asked for need their files."""
    counts: dict[Part, int] = {"train": data.mnist_train_sequences, "test": data.mnist_test_sequences}
    if not any(counts.values()):
        raise MotionpipeError("data.mnist_train_sequences and data.mnist_test_sequences are both 0: nothing to make")
    recordings = []
    for part, count in counts.items():
        if count:
            files = find_digits(source, part)
            read_digits(source, files)
            recordings += [_recording(part, index, files) for index in range(count)]
    return recordings


def moving_mnist_builder(
    dataset: str, base: SourcePath, data: DataSection
) -> Callable[[PlannedRecording], Iterable[Sample]]:
    """What makes a recording's one sample; the digits are read once for each part."""

    @cache
    def digits_in(files: tuple[tuple[str, str], ...]) -> Digits:
        return read_digits(base, dict(files))

    def build(planned: PlannedRecording) -> Iterable[Sample]:
        part, index = part_and_index(planned.recording.recording_id)
        digits = digits_in(tuple(planned.recording.files.items()))
        yield _sample(planned, dataset, digits, sequences_of(digits.images, part, data), index)

    return build


def sequences_of(images: npt.NDArray[np.uint8], part: Part, data: DataSection) -> MovingMnist:
    """The sequences of a part under a recipe; the seed is the training part's, the test set's is fixed."""
    seed = data.mnist_seed if part == "train" else TEST_SEED
    return MovingMnist(images, part, seed, data.mnist_digits, data.mnist_frames, data.mnist_speed_px)


def find_digits(source: SourcePath, part: Part) -> dict[str, str]:
    """Names of a part's files in the folder `source`: "images", and "labels" where there are some."""
    name = _FILE_NAMES[part]
    if not source.is_dir():
        raise MotionpipeError(f"{source} is not a folder; give the one that holds MNIST's IDX files")
    images = find_idx(source, f"{name}-images-idx3-ubyte")
    labels = find_idx(source, f"{name}-labels-idx1-ubyte")
    if images is None:
        raise MotionpipeError(f"{source} holds no {name}-images-idx3-ubyte or {name}-images-idx3-ubyte.gz")
    return {"images": images.name} | ({} if labels is None else {"labels": labels.name})


def read_digits(base: SourcePath, files: dict[str, str]) -> Digits:
    """The digits of a part; one clear error where a file is damaged or of other sizes."""
    with local_files(base, files) as paths:
        return _read_digits(paths)


def _read_digits(paths: dict[str, Path]) -> Digits:
    images = read_idx(paths["images"])
    if images.ndim != 3 or images.shape[1:] != (DIGIT, DIGIT):
        raise MotionpipeError(f"{paths['images']} holds {images.shape}, not images of {DIGIT} x {DIGIT} px")
    classes = read_idx(paths["labels"]) if "labels" in paths else None
    if classes is not None and classes.shape != (len(images),):
        raise MotionpipeError(f"{paths['labels']} holds {classes.shape} labels for {len(images)} images")
    return Digits(images, classes, hash_files(paths))


def _recording(part: Part, index: int, files: dict[str, str]) -> Recording:
    name = f"{part}-{index:06d}"
    return Recording(recording_id=name, path=name, files=files, splits={"official": part}, fps=FPS)


def part_and_index(recording_id: str) -> tuple[Part, int]:
    """The part that a recording's sequence belongs to, and its number there."""
    part, _, index = recording_id.partition("-")
    return ("train" if part == "train" else "test"), int(index)


def _sample(planned: PlannedRecording, dataset: str, digits: Digits, sequences: MovingMnist, index: int) -> Sample:
    recording, num_frames = planned.recording, sequences.num_frames
    rows = sequences.digits(index, index + 1)[0]
    meta: dict[str, Any] = {
        "key": planned.key,
        "recording_id": recording.recording_id,
        "dataset": dataset,
        "source": {"path": recording.path, "sha256": digits.source_hash},
        **{name: getattr(recording, name) for name in ("label", "label_name", "splits", "subject", "camera", "setup")},
        "fps": FPS,
        "timestamps": "nominal",
        "timestamps_us": [round(i * 1_000_000 / FPS) for i in range(num_frames)],
        "frames": [0, num_frames],
        "sizes": {"frames": [SIDE, SIDE]},
        "intrinsics": {},
        "registration": None,
        "generator": {"seed": sequences.seed, "index": index, "speed_px": sequences.speed_px},
        "digits": rows.tolist(),
        "digit_classes": None if digits.classes is None else digits.classes[rows].tolist(),
    }
    members = {
        "frames.npy": npy_bytes(sequences.frames(index, index + 1)[0]),
        "json": json.dumps(meta, sort_keys=True, indent=1).encode(),
    }
    return Sample(planned.key, members, num_frames, FPS, digits.source_hash, counts={"frames": num_frames})
