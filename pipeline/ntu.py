"""NTU RGB+D in its original layout: names, splits, camera.

Layout: `nturgb+d_rgb/ID_rgb.avi`, `nturgb+d_depth_masked/ID/MDepth-%08d.png` (or `nturgb+d_depth/ID/Depth-…`),
`nturgb+d_skeletons/ID.skeleton`, ID = SsssCcccPpppRrrrAaaa. Shahroudy et al. 2016.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..schemas.camera import Camera
from ..schemas.errors import MotionpipeError
from ..schemas.recording import Recording
from .ntu_actions import ACTION_NAMES

NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
XSUB_TRAIN = frozenset((1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38))
XVIEW_TRAIN = frozenset((2, 3))
PROTOCOLS = ("xsub", "xview")
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


def index_ntu(source: Path) -> list[Recording]:
    """Every recording of which at least one stream lies below `source`, sorted by name; a partial copy is normal."""
    found: dict[str, dict[str, str]] = {}
    for stream, folders in _FOLDERS.items():
        for folder in folders:
            entries = sorted((source / folder).iterdir()) if (source / folder).is_dir() else []
            for entry in entries:
                match = NAME.match(entry.name)
                if match and entry.name == match[0] + _ENDINGS[stream]:
                    found.setdefault(match[0], {}).setdefault(stream, f"{folder}/{entry.name}")
    if not found:
        folders_text = ", ".join(name for names in _FOLDERS.values() for name in names)
        raise MotionpipeError(
            f"{source} holds no NTU RGB+D recordings: expected SxxxCxxxPxxxRxxxAxxx in {folders_text}"
        )
    return [_recording(name, files) for name, files in sorted(found.items())]


def _recording(name: str, files: dict[str, str]) -> Recording:
    match = NAME.fullmatch(name)
    assert match
    setup, camera, subject, _, action = (int(number) for number in match.groups())
    splits = {}
    if setup <= _LAST_SETUP_60:  # the later setups are NTU RGB+D 120's and in no part of these protocols
        splits["xsub"] = "train" if subject in XSUB_TRAIN else "test"
        splits["xview"] = "train" if camera in XVIEW_TRAIN else "test"
    label_name = ACTION_NAMES.get(action, f"A{action:03d}")
    return Recording(
        name,
        name,
        files,
        action - 1,
        label_name,
        splits,
        subject,
        camera,
        setup,
        fps=FPS,
        depth_camera=DEPTH_CAMERA,
        color_size=COLOR_SIZE,
    )
