"""The depth code beside 16-bit PNG, on NTU and MSR depth where MOTIONPIPE_TEST_DATA is set, else on generated depth.

python benchmarks/bench_depth_codec.py
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from motionpipe.pipeline import depth_codec
from motionpipe.pipeline.depth_frames import iterate_depth
from motionpipe.pipeline.generate_ntu import GeneratorConfig, list_recordings, write_recording
from scipy.io import loadmat

COMMAND = "python benchmarks/bench_depth_codec.py"


def frames_per_second(work: Callable[[Any], Any], items: list[Any]) -> float:
    """Best of three rounds."""
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        for item in items:
            work(item)
        rates.append(len(items) / (time.perf_counter() - start))
    return max(rates)


def generated() -> list[np.ndarray]:
    config = GeneratorConfig(subjects=(1,), cameras=(1,), actions=(8,), truth=False)
    with tempfile.TemporaryDirectory() as folder:
        recording = list_recordings(config)[0]
        write_recording(Path(folder), recording)
        return list(iterate_depth(Path(folder) / "nturgb+d_depth_masked" / recording.recording_id))


def sets() -> dict[str, list[np.ndarray]]:
    data = os.environ.get("MOTIONPIPE_TEST_DATA")
    if not data:
        return {"generated": generated()}
    ntu = Path(data, "fixtures/ntu")
    msr = loadmat(sorted(Path(data, "msr-action3d").glob("*_sdepth.mat"))[0])["depth"]
    return {
        "ntu-masked": list(iterate_depth(ntu / "nturgb+d_depth_masked/S001C001P001R001A001")),
        "ntu-full": list(iterate_depth(ntu / "nturgb+d_depth/S001C001P001R001A058")),
        "msr-action3d": [np.ascontiguousarray(msr[:, :, t]).astype(np.uint16) for t in range(msr.shape[2])],
    }


def main() -> None:
    cv2.setNumThreads(1)
    for name, frames in sets().items():
        coded = {codec: [encode(frame) for frame in frames] for codec, encode in depth_codec.ENCODERS.items()}
        values = {
            codec: {
                "bytes a frame": sum(map(len, coded[codec])) / len(frames),
                "encode frames/s": frames_per_second(encode, frames),
                "decode frames/s": frames_per_second(depth_codec.DECODERS[codec], coded[codec]),
            }
            for codec, encode in depth_codec.ENCODERS.items()
        }
        for unit, value in values["d16"].items():
            peer = values["png16"][unit]
            line = {"figure": f"d16 {name}", "value": round(value, 1), "unit": unit, "peer": "16-bit PNG"}
            print(
                json.dumps(line | {"peer_value": round(peer, 1), "ratio": round(value / peer, 3), "command": COMMAND})
            )


if __name__ == "__main__":
    main()
