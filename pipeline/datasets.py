"""From a dataset's name to its recordings, its protocols and the folder that their paths start from."""

from __future__ import annotations

from pathlib import Path

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import DataSection
from ..schemas.recording import Recording
from . import folder, moving_mnist_dataset, ntu

DATASETS = ("ntu", "folder", "moving-mnist")


def index_dataset(dataset: str, source: Path, data: DataSection) -> list[Recording]:
    """Recordings below `source`, in a fixed order; one clear error where there is nothing to find."""
    require_source(source)
    match dataset:
        case "ntu":
            recordings = ntu.index_ntu(source)
        case "folder":
            recordings = folder.index_folder(source, data)
        case "moving-mnist":
            recordings = moving_mnist_dataset.index_moving_mnist(source, data)
        case _:
            raise MotionpipeError(f"unknown dataset {dataset!r}; known: {', '.join(DATASETS)}")
    return recordings[: data.limit]


def require_source(source: Path) -> None:
    """Raise one clear error where the source is not there, before every recording in it looks missing."""
    if not source.exists():
        raise MotionpipeError(f"source {source} does not exist; give the folder of the dataset with --source")


def protocols(dataset: str) -> tuple[str, ...]:
    """Names of a dataset's split protocols, the customary one first."""
    known = {"ntu": ntu.PROTOCOLS, "folder": folder.PROTOCOLS, "moving-mnist": moving_mnist_dataset.PROTOCOLS}
    return known[dataset]


def base_folder(source: Path) -> Path:
    """The folder that recordings' paths are relative to: the source, or where its CSV lies."""
    return source.parent if source.is_file() else source
