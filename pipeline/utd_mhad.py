"""UTD-MHAD: 27 actions, 8 subjects, four times each, RGB, depth, skeletons and a worn inertial sensor.

Files `aA_sS_tT_depth.mat`, `…_skeleton.mat` and `…_color.avi`, each kind in a folder of its own or not. The inertial
signals (`…_inertial.mat`) are counted and not stored. Chen, Jafari, Kehtarnavaz 2015.
"""

from __future__ import annotations

import re

from ..schemas.errors import MotionpipeError
from ..schemas.recording import Index, Recording
from .fetch_files import SourcePath
from .kinect_v1 import DEPTH_CAMERA, FPS
from .source_files import streams_by_recording, walk_files

PROTOCOLS = ("xsub",)
TRAIN_SUBJECTS = frozenset((1, 3, 5, 7))
ACTIONS = (
    *("swipe left", "swipe right", "wave", "clap", "throw", "cross arms", "basketball shoot", "draw x"),
    *("draw circle clockwise", "draw circle counter-clockwise", "draw triangle", "bowling", "boxing", "baseball swing"),
    *("tennis swing", "arm curl", "tennis serve", "push", "knock", "catch", "pick up and throw", "jog", "walk"),
    *("sit to stand", "stand to sit", "lunge", "squat"),
)
_NAME = re.compile(r"a([1-9]|1\d|2[0-7])_s(\d)_t(\d)")
_ENDINGS = {"rgb": ("_color.avi",), "depth": ("_depth.mat",), "skeleton": ("_skeleton.mat",)}
_OFFICIAL = 861


def index_utd_mhad(source: SourcePath) -> Index:
    """Every sequence of which a stream lies below `source`; subjects 1, 3, 5 and 7 train, the others test."""
    found = streams_by_recording(source, _NAME, _ENDINGS)
    if not found:
        raise MotionpipeError(
            f"{source} holds no UTD-MHAD sequences: expected aA_sS_tT_depth.mat, _skeleton.mat, _color.avi"
        )
    recordings = [_recording(name, files) for name, files in found.items()]
    notes = [f"{len(recordings)} of {_OFFICIAL} sequences of UTD-MHAD found"]
    inertial = len(walk_files(source, ("_inertial.mat",)))
    if inertial:
        notes.append(f"{inertial} inertial files are not stored")
    return Index(recordings, tuple(notes))


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
        {"xsub": "train" if subject in TRAIN_SUBJECTS else "test"},
        subject,
        fps=FPS,
        depth_camera=DEPTH_CAMERA,
        relative_time=True,
    )
