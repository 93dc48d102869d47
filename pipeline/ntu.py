"""NTU RGB+D 60 and 120 in their original layout: names, splits, camera.

Layout: `nturgb+d_rgb/ID_rgb.avi`, `nturgb+d_depth_masked/ID/MDepth-%08d.png` (or `nturgb+d_depth/ID/Depth-…`),
`nturgb+d_skeletons/ID.skeleton`, ID = SsssCcccPpppRrrrAaaa. Setups 1 to 17 are NTU RGB+D 60 (Shahroudy et al. 2016),
all 32 NTU RGB+D 120 (Liu et al. 2019). Infrared videos (`nturgb+d_ir`) are counted and not stored.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..schemas.camera import Camera
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import DataSection
from ..schemas.recording import Index, Recording
from .fetch_files import SourcePath
from .ntu_actions import ACTION_NAMES
from .source_files import list_names, read_text

NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
XSUB_TRAIN = frozenset((1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38))
XSUB120_TRAIN = XSUB_TRAIN.union(
    (45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80),
    (81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
)
XVIEW_TRAIN = frozenset((2, 3))
PROTOCOLS = ("xsub", "xview", "xsub120", "xset120")
MISSING_SKELETONS = (
    "NTU_RGBD_samples_with_missing_skeletons.txt",
    "NTU_RGBD120_samples_with_missing_skeletons.txt",
)
"""The official lists, read where they lie beside the folders."""
FPS = 30.0
DEPTH_CAMERA = Camera(fx=365.481, fy=365.481, cx=257.346, cy=210.347, width=512, height=424)
"""Kinect v2 depth intrinsics in common use for NTU; the data set records none."""
COLOR_SIZE = (1920, 1080)
"""Size that a skeleton's color_x, color_y refer to."""

# masked maps come first: they are what the data set's own release holds for every recording
_FOLDERS = {
    "rgb": ("nturgb+d_rgb",),
    "depth": ("nturgb+d_depth_masked", "nturgb+d_depth"),
    "skeleton": ("nturgb+d_skeletons",),
}
_ENDINGS = {"rgb": "_rgb.avi", "depth": "", "skeleton": ".skeleton"}
_LAST_SETUP_60 = 17
_OFFICIAL_60, _OFFICIAL_120 = 56_880, 114_480


def index_ntu(source: SourcePath, data: DataSection) -> Index:
    """Every recording of which at least one stream lies below `source`, sorted by name; a partial copy is normal.

    With `data.ntu_missing_skeletons` = "no-part" those of the official lists are in no split.
    """
    found: dict[str, dict[str, str]] = {}
    for stream, folders in _FOLDERS.items():
        for folder in folders:
            for entry in list_names(source, folder):
                match = NAME.match(entry)
                if match and entry == match[0] + _ENDINGS[stream]:
                    found.setdefault(match[0], {}).setdefault(stream, f"{folder}/{entry}")
    if not found:
        folders_text = ", ".join(name for names in _FOLDERS.values() for name in names)
        raise MotionpipeError(
            f"{source} holds no NTU RGB+D recordings: expected SxxxCxxxPxxxRxxxAxxx in {folders_text}"
        )
    recordings = [_recording(name, files) for name, files in sorted(found.items())]
    lists = _missing_skeletons(source)
    notes = tuple(_notes(source, recordings, lists))
    if data.ntu_missing_skeletons == "no-part":
        if not lists:
            raise MotionpipeError(
                f"data.ntu_missing_skeletons = no-part needs {' or '.join(MISSING_SKELETONS)} in {source}"
            )
        listed = frozenset().union(*lists.values())
        recordings = [replace(r, splits={}) if r.recording_id in listed else r for r in recordings]
    return Index(recordings, notes)


def read_missing_skeletons(text: str) -> frozenset[str]:
    """Names in an official list of recordings whose skeletons are missing or incomplete; other lines are prose."""
    return frozenset(word for word in text.split() if NAME.fullmatch(word))


def parts(subject: int, camera: int, setup: int) -> dict[str, str]:
    """Part in each protocol; the later setups are in no part of NTU RGB+D 60's."""
    train = {"xsub120": subject in XSUB120_TRAIN, "xset120": setup % 2 == 0}
    if setup <= _LAST_SETUP_60:
        train |= {"xsub": subject in XSUB_TRAIN, "xview": camera in XVIEW_TRAIN}
    return {protocol: "train" if is_train else "test" for protocol, is_train in train.items()}


def _missing_skeletons(source: SourcePath) -> dict[str, frozenset[str]]:
    """The official lists that are there, by file name."""
    present = list_names(source, ".")
    return {file: read_missing_skeletons(read_text(source, file)) for file in MISSING_SKELETONS if file in present}


def _notes(source: SourcePath, recordings: list[Recording], lists: dict[str, frozenset[str]]) -> list[str]:
    ids = {recording.recording_id for recording in recordings}
    larger = any(recording.setup and recording.setup > _LAST_SETUP_60 for recording in recordings)
    official, name = (_OFFICIAL_120, "NTU RGB+D 120") if larger else (_OFFICIAL_60, "NTU RGB+D 60")
    notes = [f"{len(ids)} of {official} recordings of {name} found"]
    for file, listed in lists.items():
        notes.append(f"{len(ids & listed)} of them are among the {len(listed)} of {file}")
    infrared = sum(entry.endswith("_ir.avi") for entry in list_names(source, "nturgb+d_ir"))
    if infrared:
        notes.append(f"{infrared} infrared videos (nturgb+d_ir) are not stored")
    return notes


def _recording(name: str, files: dict[str, str]) -> Recording:
    match = NAME.fullmatch(name)
    assert match
    setup, camera, subject, _, action = (int(number) for number in match.groups())
    label_name = ACTION_NAMES.get(action, f"A{action:03d}")
    return Recording(
        name,
        name,
        files,
        action - 1,
        label_name,
        parts(subject, camera, setup),
        subject,
        camera,
        setup,
        fps=FPS,
        depth_camera=DEPTH_CAMERA,
        color_size=COLOR_SIZE,
    )
