"""Small fakes whose truth is known, shared as fixtures (test files cannot import each other)."""

import gzip
import os
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.pipeline.depth_codec import encode_d16
from motionpipe.pipeline.samples import npy_bytes
from motionpipe.pipeline.store import Store
from motionpipe.pipeline.write_shard import Sample, write_tar_shard


def pytest_configure():
    """One thread for torch and BLAS: tests are small, and threads that wait for each other crawl on a busy machine."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture
def store(tmp_path):
    """An empty store in a local folder."""
    return Store.at(str(tmp_path / "store"))


@pytest.fixture
def memory_store(tmp_path):
    """An empty store behind an fsspec URI."""
    return Store.at(f"memory://{tmp_path.name}")


@pytest.fixture(scope="session")
def moving_square():
    """Frames (T, H, W) uint8 of a bright square on black; its left edge is at column x + i * step in frame i."""

    def draw(frames, height, width, side=8, x=0, y=8, step=1, level=200):
        images = np.zeros((frames, height, width), dtype=np.uint8)
        for i, image in enumerate(images):
            image[y : y + side, x + i * step : x + i * step + side] = level
        return images

    return draw


@pytest.fixture(scope="session")
def write_video():
    """Write rgb (T, H, W, 3) as a lossless video; `times_ms` gives the frames' times (Matroska keeps them)."""

    def write(path, rgb, fps=30, times_ms=None):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=fps)
            stream.height, stream.width = rgb.shape[1:3]
            stream.pix_fmt = "bgr0"
            if times_ms is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            for i, image in enumerate(rgb):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                if times_ms is not None:
                    frame.pts, frame.time_base = times_ms[i], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def write_depth():
    """Write depth (T, H, W) uint16 as NTU's PNGs, numbered from 1."""

    def write(folder, depth, prefix="MDepth"):
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(depth, start=1):
            assert cv2.imwrite(str(folder / f"{prefix}-{number:08d}.png"), image)
        return folder

    return write


@pytest.fixture(scope="session")
def write_idx():
    """Write a uint8 array as an IDX file, gzipped where the name ends in .gz."""

    def write(path, array):
        data = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
        return path

    return write


@pytest.fixture(scope="session")
def skeleton_text():
    """An NTU .skeleton file of joints (T, bodies, 25, 12); `bodies` may say how many of them each frame has."""

    def text(joints, bodies=None):
        lines = [str(len(joints))]
        for t, frame in enumerate(joints):
            present = frame if bodies is None else frame[: bodies[t]]
            lines.append(str(len(present)))
            for body in present:
                # a 64-bit id that a float would round
                lines += ["72057594037931101 0 1 1 1 1 0 0.02 -0.2 2", "25"]
                lines += [" ".join(f"{value:.7g}" for value in joint[:11]) + f" {joint[11]:.0f}" for joint in body]
        return "\r\n".join(lines) + "\r\n"

    return text


@pytest.fixture
def put_sample(store):
    """Put one sample into shard 0 of the store's `shards` and its flow into `flow/fake`; returns both entries.

    rgb (T, H, W, 3) and depth (T, H, W) as arrays; flow (P, C, h, w) and valid (P, h, w) cells of pairs `stride` apart.
    """

    def put(key="clip", rgb=None, depth=None, flow=None, valid=None, *, stride=1, fps=10.0):
        members = {}
        frames = len(rgb if rgb is not None else depth)
        if rgb is not None:
            # quality 100 without subsampling: positions and levels survive nearly unchanged
            flags = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
            for i, image in enumerate(rgb):
                members[f"rgb.{i:04d}.jpg"] = cv2.imencode(".jpg", image[..., ::-1], flags)[1].tobytes()
        if depth is not None:
            members |= {f"depth.{i:04d}.d16": encode_d16(image) for i, image in enumerate(depth)}
        times = ", ".join(str(round(i * 1e6 / fps)) for i in range(frames))
        members["json"] = f'{{"key": "{key}", "dataset": "fake", "timestamps_us": [{times}]}}'.encode()
        item = SimpleNamespace(key=key, recording_id=f"id-{key}", path=f"{key}.avi")
        sample = Sample(key, members, frames, fps, f"hash-{key}")
        entry = write_tar_shard(store, "shards", 0, [item], lambda _: [sample]).samples[0]
        if flow is None:
            return entry, None
        arrays = {"flow.npy": npy_bytes(flow.astype(np.float16)), "valid.npy": npy_bytes(valid.astype(np.uint8))}
        motion = tuple(float(m) for m in np.linalg.norm(flow, axis=1).mean(axis=(1, 2)))
        cells = Sample(key, arrays, frames, fps, f"hash-{key}", stride=stride, motion=motion)
        return entry, write_tar_shard(store, "flow/fake", 0, [item], lambda _: [cells]).samples[0]

    return put


CHAIN_RECIPE = """
[shard]
recordings_per_shard = 4
max_frames = 20
[flow]
step_s = 0.1
[codebook]
size = 8
sample_cells = 5000
[atomic_flow]
modality = "rgb"
frame_short_side = 48
crop = 48
cell = 4
widths = [4, 4, 4, 4, 4]
hidden = 4
deconv_widths = [4, 4]
steps = 2
[train]
epochs = 1
global_batch = 4
micro_batch = 4
[embed]
num_clips = 2
clip_frames = 3
"""


@pytest.fixture(scope="session")
def rgb_chain(tmp_path_factory, write_video):
    """A store of ten recordings in three shards, one of two segments, from shards to embeddings of run "a"."""
    source, folder = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("rgb-chain") / "store"
    for number in range(10):
        part, label = ("test" if number % 5 == 4 else "train"), ("left" if number % 2 else "right")
        (source / part / label).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        image = cv2.GaussianBlur(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8), (0, 0), 2)
        frames = np.stack(
            [np.roll(image, i * (1 if number % 2 else -1), axis=1) for i in range(25 if not number else 10)]
        )
        write_video(source / part / label / f"v{number}.mkv", frames, 10)
    recipe = folder.parent / "chain.toml"
    recipe.write_text(CHAIN_RECIPE)
    common = ["--store", str(folder), "--recipe", str(recipe), "--workers", "0"]
    for words in (
        ["shard", "--dataset", "folder", "--source", str(source)],
        ["flow"],
        ["codebook"],
        ["train-cluster", "--name", "a"],
        ["embed"],
        ["classify", "--probe", "knn"],
    ):
        result = CliRunner().invoke(main, [*words, *common])
        assert result.exit_code == 0, (result.output, result.exception)
    return folder
