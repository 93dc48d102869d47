"""Generated recordings: NTU's layout, one performance for all cameras, equal bytes every time."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from motionpipe.pipeline.depth_codec import decode_png16
from motionpipe.pipeline.generate_ntu import (
    GeneratorConfig,
    list_recordings,
    load_truth,
    truth_frame,
    write_recording,
)
from motionpipe.pipeline.ntu import index_ntu
from motionpipe.pipeline.posed_camera import project
from motionpipe.schemas.recipe import DataSection

SMALL = GeneratorConfig(
    subjects=(1, 2), actions=(8, 24), num_frames=5, fps=5.0, depth_size=(128, 106), rgb_size=(160, 90), truth_stride=2
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All recordings of the small set."""
    folder = tmp_path_factory.mktemp("generated")
    for recording in list_recordings(SMALL):
        write_recording(folder, recording)
    return folder


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def read_depth(path: Path) -> npt.NDArray[np.uint16]:
    return decode_png16(path.read_bytes())


def test_the_plan_is_the_product_of_its_parts() -> None:
    recordings = list_recordings(GeneratorConfig(subjects=(1, 40), actions=(8, 9, 23), replications=(1, 2)))
    assert len(recordings) == 3 * 2 * 3 * 2
    names = {r.recording_id for r in recordings}
    assert len(names) == len(recordings)
    assert all(re.fullmatch(r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}", name) for name in names)


@pytest.mark.parametrize("wrong", [{"actions": (61,)}, {"cameras": (0,)}, {"setup": 9}, {"truth_stride": 60}])
def test_impossible_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(GeneratorConfig(), **wrong)


def test_files_lie_as_in_ntu(root: Path) -> None:
    for recording in list_recordings(SMALL):
        name = recording.recording_id
        pngs = sorted((root / "nturgb+d_depth_masked" / name).iterdir())
        assert [p.name for p in pngs] == [f"MDepth-{i:08d}.png" for i in range(1, 6)]
        assert read_depth(pngs[0]).shape == (106, 128)
        with av.open(str(root / "nturgb+d_rgb" / f"{name}_rgb.avi")) as container:
            stream = container.streams.video[0]
            assert f"{stream.codec_context.name} {stream.average_rate}" == "mpeg4 5"
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        assert [f.shape for f in frames] == [(90, 160, 3)] * 5
    assert not list(root.glob(".writing-*"))


def test_the_ntu_adapter_finds_every_recording(root: Path) -> None:
    found = index_ntu(root, DataSection()).recordings
    assert [r.recording_id for r in found] == sorted(r.recording_id for r in list_recordings(SMALL))
    assert all(set(r.files) == {"rgb", "depth", "skeleton"} for r in found)


def test_no_two_recordings_are_alike(root: Path) -> None:
    digests = [hashlib.sha256(data).hexdigest() for data in files_of(root).values()]
    assert len(set(digests)) == len(digests)


def test_equal_bytes_twice(root: Path, tmp_path: Path) -> None:
    recording = list_recordings(SMALL)[3]
    for _ in range(2):  # the second time over the first's files
        write_recording(tmp_path, recording)
    written, first = files_of(tmp_path), files_of(root)
    assert len(written) == 8
    assert all(first[name] == data for name, data in written.items())


def test_a_failed_write_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("motionpipe.pipeline.generate_ntu.masked_depth", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_recording(tmp_path, list_recordings(SMALL)[0])
    assert {Path(name).parts[0] for name in files_of(tmp_path)} == {"truth", "nturgb+d_skeletons"}


def test_truth_moves_the_written_depth_onto_the_next(root: Path) -> None:
    name = list_recordings(SMALL)[1].recording_id
    truth = load_truth(root, name)
    assert (truth.stride, truth.fps, truth.depth_size) == (2, 5.0, (128, 106))
    assert len(truth.flow) == 3
    assert truth.flow.dtype == np.float16
    assert truth.valid.dtype == np.bool_
    lens = truth.intrinsics
    depth = [read_depth(p) for p in sorted((root / "nturgb+d_depth_masked" / name).iterdir())]
    flow, valid = truth_frame(truth, 1)
    row, column = np.nonzero(valid)
    z = depth[1][row, column] / 1000
    x, y = (column - lens.cx) / lens.fx * z, (row - lens.cy) / lens.fy * z
    x, y, z = np.stack([x, y, z]) + flow[row, column].T
    column, row = np.rint(project(lens, np.stack([x, y, z], axis=1))).astype(int).T
    there = depth[3][row, column] / 1000
    # Nearest pixels at 128x106 are centimetres apart, so slanted surfaces differ by about as much.
    assert np.median(np.abs(there - z)) < 0.006
    assert np.abs(flow[valid]).max() > 0.1
    assert not flow[0].any()
