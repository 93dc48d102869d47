"""From a dataset's name to its recordings, its protocols and the folder that their paths start from."""

from __future__ import annotations

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import DataSection
from ..schemas.recording import Index
from . import folder, hmdb51, kinetics, moving_mnist_dataset, msr_action3d, msr_daily, ntu, ucf101, utd_mhad
from .fetch_files import SourcePath, reaching

_PROTOCOLS = {
    "ntu": ntu.PROTOCOLS,
    "msr-daily": msr_daily.PROTOCOLS,
    "msr-action3d": msr_action3d.PROTOCOLS,
    "utd-mhad": utd_mhad.PROTOCOLS,
    "ucf101": ucf101.PROTOCOLS,
    "hmdb51": hmdb51.PROTOCOLS,
    "kinetics": kinetics.PROTOCOLS,
    "moving-mnist": moving_mnist_dataset.PROTOCOLS,
    "folder": folder.PROTOCOLS,
}
DATASETS = tuple(_PROTOCOLS)
_DECODED = frozenset(("rgb", "depth", "images"))
"""Streams of which a recording needs one; MNIST's images are what its sequences are made of."""


def index_dataset(dataset: str, source: SourcePath, data: DataSection) -> Index:
    """Recordings below `source`, in a fixed order; one clear error where there is nothing to decode."""
    require_source(source)
    index = _index(dataset, source, data)
    streams = {stream for recording in index.recordings for stream in recording.files}
    if streams and not streams & _DECODED:
        raise MotionpipeError(
            f"{source} holds {' and '.join(sorted(streams))} files alone of {len(index.recordings)} recordings of "
            f"{dataset}: RGB or depth is needed; is it another dataset's?"
        )
    return Index(index.recordings[: data.limit], index.notes)


def _index(dataset: str, source: SourcePath, data: DataSection) -> Index:  # noqa: PLR0911
    match dataset:
        case "ntu":
            return ntu.index_ntu(source, data)
        case "msr-daily":
            return msr_daily.index_msr_daily(source)
        case "msr-action3d":
            return msr_action3d.index_msr_action3d(source)
        case "utd-mhad":
            return utd_mhad.index_utd_mhad(source)
        case "ucf101":
            return ucf101.index_ucf101(source)
        case "hmdb51":
            return hmdb51.index_hmdb51(source)
        case "kinetics":
            return kinetics.index_kinetics(source)
        case "folder":
            return folder.index_folder(source, data)
        case "moving-mnist":
            return Index(moving_mnist_dataset.index_moving_mnist(source, data))
        case _:
            raise MotionpipeError(f"unknown dataset {dataset!r}; known: {', '.join(DATASETS)}")


def require_source(source: SourcePath) -> None:
    """Raise one clear error where the source is not there, before every recording in it looks missing."""
    with reaching(source):
        if not source.exists():
            raise MotionpipeError(f"source {source} does not exist; give the folder of the dataset with --source")


def is_there(source: SourcePath) -> bool:
    """Whether the source can be read; a URI that cannot be reached counts as absent."""
    try:
        require_source(source)
    except MotionpipeError:
        return False
    return True


def protocols(dataset: str) -> tuple[str, ...]:
    """Names of a dataset's split protocols, the customary one first."""
    return _PROTOCOLS[dataset]


def base_folder(source: SourcePath) -> SourcePath:
    """The folder that recordings' paths are relative to: the source, or where its CSV lies."""
    return source.parent if source.is_file() else source
