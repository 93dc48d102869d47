"""NTU `.skeleton` files: 25 joints of each body in each frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..schemas.errors import BadSampleError

JOINTS = 25
COLUMNS = ("x", "y", "z", "depth_x", "depth_y", "color_x", "color_y", "tracking")
_TAKEN = (0, 1, 2, 3, 4, 5, 6, 11)
_MOST_BODIES = 6


def read_ntu_skeleton(path: Path) -> npt.NDArray[np.float32]:
    """Joints float32 (T, bodies, 25, 8) in the order of COLUMNS; NaN where a frame has fewer bodies.

    x, y, z in metres in the depth camera; depth_x, depth_y in nominal 512x424 and color_x, color_y in nominal
    1920x1080 pixels. Raises BadSampleError where the file is not of that format.
    """
    if not path.is_file():
        raise BadSampleError("missing-file", f"{path} does not exist")
    try:
        frames = _parse(path.read_text(encoding="ascii").split())
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise BadSampleError("unreadable-skeleton", f"{path} is not an NTU skeleton file; copy it again") from error
    bodies = max((len(frame) for frame in frames), default=0)
    joints = np.full((len(frames), bodies, JOINTS, len(COLUMNS)), np.nan, dtype=np.float32)
    for t, frame in enumerate(frames):
        for b, body in enumerate(frame):
            joints[t, b] = body
    return joints


def _parse(words: list[str]) -> list[list[npt.NDArray[np.float32]]]:
    frames, place = [], 1
    for _ in range(int(words[0])):
        bodies = int(words[place])
        place += 1
        if not 0 <= bodies <= _MOST_BODIES:
            raise ValueError(f"{bodies} bodies in a frame")
        frame = []
        for _ in range(bodies):
            # the body's own ten words hold a 64-bit id, which a float would spoil; nothing here needs them
            place += 10
            if int(words[place]) != JOINTS:
                raise ValueError(f"{words[place]} joints in a body")
            values = np.array(words[place + 1 : place + 1 + JOINTS * 12], dtype=np.float64).reshape(JOINTS, 12)
            frame.append(values[:, _TAKEN].astype(np.float32))
            place += 1 + JOINTS * 12
        frames.append(frame)
    if place != len(words):
        raise ValueError("words are left over")
    return frames
