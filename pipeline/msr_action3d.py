"""MSR Action3D: 20 actions, 10 subjects, two or three times each, depth and skeletons, 15 frames a second.

Files `aAA_sSS_eEE_sdepth.bin` (or `.mat`), `…_skeleton3D.txt` and `…_skeleton.txt` (positions in the depth image) in
any folders below the source. Li, Zhang, Liu 2010.
"""

from __future__ import annotations

import re

from ..schemas.errors import MotionpipeError
from ..schemas.recording import Index, Recording
from .fetch_files import SourcePath
from .kinect_v1 import DEPTH_CAMERA
from .source_files import streams_by_recording

PROTOCOLS = ("xsub",)
FPS = 15.0
DEPTH_UNIT_MM = 5.0
"""Millimetres in one step of the stored depth, which no document states; DECISIONS.md says how it was measured."""
ACTIONS = (
    *("high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x"),
    *("draw tick", "draw circle", "hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick"),
    *("jogging", "tennis swing", "tennis serve", "golf swing", "pick up and throw"),
)
_NAME = re.compile(r"a(0[1-9]|1\d|20)_s(\d\d)_e(\d\d)")
_ENDINGS = {
    "depth": ("_sdepth.bin", "_sdepth.mat"),
    "skeleton": ("_skeleton3D.txt",),
    "skeleton_screen": ("_skeleton.txt",),
}
_OFFICIAL = 567


def index_msr_action3d(source: SourcePath) -> Index:
    """Every sequence of which a stream lies below `source`; odd subjects train, even ones test."""
    found = streams_by_recording(source, _NAME, _ENDINGS)
    if not found:
        raise MotionpipeError(
            f"{source} holds no MSR Action3D sequences: expected aAA_sSS_eEE_sdepth.bin or .mat, _skeleton3D.txt"
        )
    recordings = [_recording(name, files) for name, files in found.items()]
    return Index(recordings, (f"{len(recordings)} of {_OFFICIAL} sequences of MSR Action3D found",))


def _recording(name: str, files: dict[str, str]) -> Recording:
    match = _NAME.fullmatch(name)
    assert match
    action, subject, _ = (int(number) for number in match.groups())
    return Recording(
        name,
        name,
        files,
        action - 1,
        ACTIONS[action - 1],
        {"xsub": "train" if subject % 2 else "test"},
        subject,
        fps=FPS,
        depth_camera=DEPTH_CAMERA,
        depth_unit_mm=DEPTH_UNIT_MM,
    )
