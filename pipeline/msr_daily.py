"""MSR Daily Activity 3D: 16 activities, 10 subjects, once standing and once sitting, RGB, depth and skeletons.

Files `aAA_sSS_eEE_depth.bin`, `…_rgb.avi` and `…_skeleton.txt` in any folders below the source. Wang et al. 2012.
"""

from __future__ import annotations

import re

from ..schemas.errors import MotionpipeError
from ..schemas.recording import Index, Recording
from .fetch_files import SourcePath
from .kinect_v1 import DEPTH_CAMERA, FPS
from .source_files import streams_by_recording

PROTOCOLS = ("xsub",)
ACTIVITIES = (
    *("drink", "eat", "read book", "call cellphone", "write on paper", "use laptop", "use vacuum cleaner", "cheer up"),
    *("sit still", "toss paper", "play game", "lie down on sofa", "walk", "play guitar", "stand up", "sit down"),
)
_NAME = re.compile(r"a(0[1-9]|1[0-6])_s(\d\d)_e(\d\d)")
_ENDINGS = {"rgb": ("_rgb.avi",), "depth": ("_depth.bin",), "skeleton": ("_skeleton.txt",)}
_OFFICIAL = 320


def index_msr_daily(source: SourcePath) -> Index:
    """Every sequence of which a stream lies below `source`; odd subjects train, even ones test."""
    found = streams_by_recording(source, _NAME, _ENDINGS)
    if not found:
        raise MotionpipeError(
            f"{source} holds no MSR Daily Activity sequences: expected aAA_sSS_eEE_depth.bin, _rgb.avi, _skeleton.txt"
        )
    recordings = [_recording(name, files) for name, files in found.items()]
    return Index(recordings, (f"{len(recordings)} of {_OFFICIAL} sequences of MSR Daily Activity found",))


def _recording(name: str, files: dict[str, str]) -> Recording:
    match = _NAME.fullmatch(name)
    assert match
    activity, subject, _ = (int(number) for number in match.groups())
    return Recording(
        name,
        name,
        files,
        activity - 1,
        ACTIVITIES[activity - 1],
        {"xsub": "train" if subject % 2 else "test"},
        subject,
        fps=FPS,
        depth_camera=DEPTH_CAMERA,
        relative_time=True,
    )
