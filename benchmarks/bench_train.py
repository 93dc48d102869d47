"""Training steps and reading of clips, `atomic-flow/small` on depth: clips a CPU-second, one JSON line each.

The set is generated: 24 recordings of 240x320 masked depth, 40 frames, with random flow on the body. Peers in the same
run, interleaved: float32 and bf16, with and without torch.compile, one thread and two; clips from the store's tars and
from a pack. Times are process times (two threads count double), the best of several rounds.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from motionpipe.models import atomic_flow, clip_classifier
from motionpipe.pipeline.batches_atomic_flow import build_batch
from motionpipe.pipeline.clip_plan import TrainSample, plan_epoch
from motionpipe.pipeline.depth_codec import encode_d16
from motionpipe.pipeline.frame_input import Grid
from motionpipe.pipeline.pack import Pack, PackedClips, PackedSample
from motionpipe.pipeline.samples import npy_bytes
from motionpipe.pipeline.store import Store
from motionpipe.pipeline.stored_clips import StoredClips
from motionpipe.pipeline.write_shard import Sample, write_tar_shard
from motionpipe.schemas.atomic_flow import AtomicFlowSection
from motionpipe.schemas.codebook import Codebook
from motionpipe.schemas.training import TrainSection

CONFIG = AtomicFlowSection(modality="depth")
LOOP = TrainSection(clips_per_epoch=64)
FRAMES, STRIDE, RECORDINGS, ROUNDS = 40, 2, 24, 5
BATCH = LOOP.micro_batch


def say(what, clips, seconds, **more):
    print(
        json.dumps({"bench": "train", "what": what, "clips_per_cpu_s": round(clips / seconds, 2), **more}), flush=True
    )


def write_set(store):
    rng = np.random.default_rng(0)
    shards, flows, samples = [], [], []
    for number in range(RECORDINGS):
        depth = np.zeros((FRAMES, 240, 320), np.uint16)
        depth[:, 30:215, 130:190] = rng.integers(2500, 2600, (FRAMES, 185, 60)) // 20 * 20
        cells = np.zeros((FRAMES - STRIDE, 3, 60, 80), np.float16)
        valid = np.zeros((FRAMES - STRIDE, 60, 80), np.uint8)
        cells[:, :, 8:54, 32:48] = rng.normal(0, 0.03, (FRAMES - STRIDE, 3, 46, 16))
        valid[:, 8:54, 32:48] = 16
        frames = {f"depth.{i:04d}.d16": encode_d16(image) for i, image in enumerate(depth)}
        shards.append(Sample(f"s{number:03d}", frames, FRAMES, 15.0, "hash"))
        arrays = {"flow.npy": npy_bytes(cells), "valid.npy": npy_bytes(valid)}
        flows.append(Sample(f"s{number:03d}", arrays, FRAMES, 15.0, "hash", stride=STRIDE, motion=(0.03,) * 38))
        motion = np.full(38, 0.03, np.float32)
        samples.append(TrainSample(0, f"s{number:03d}", "", "", FRAMES, STRIDE, motion))
    for folder, content in (("shards", shards), ("flow/pd", flows)):
        items = [SimpleNamespace(key=s.key, recording_id=s.key, path=s.key, sample=s) for s in content]
        write_tar_shard(store, folder, 0, items, lambda item: [item.sample])
    return samples


def packed(stored, samples):
    """The same set as a pack holds it, in memory."""
    found = []
    for sample in samples:
        streams, grid = stored.frames(sample, range(FRAMES))
        flow, weight = stored.flow(sample, range(FRAMES - STRIDE), grid)
        found.append(PackedSample(sample, "train", streams["depth"], Grid(*vars(grid).values()), flow, weight >= 0.5))
    return PackedClips(Pack({}, found, {}))


def bench_reading(store):
    samples = write_set(store)
    stored = StoredClips(store, "flow/pd", 4, CONFIG)
    sources = {"read clips from the store": stored, "read clips from a pack": packed(stored, samples)}
    starts = lambda sample, chance: range(sample.num_starts)  # noqa: E731
    steps = plan_epoch(samples, 0, LOOP, starts, True)
    batches = [refs for step in steps for refs in step]
    best = dict.fromkeys(sources, float("inf"))
    for _ in range(ROUNDS):
        for name, source in sources.items():
            began = time.process_time()
            for refs in batches:
                build_batch(source, samples, refs, CONFIG)
            best[name] = min(best[name], time.process_time() - began)
    for name, seconds in best.items():
        say(name, len(batches) * BATCH, seconds)


def networks():
    rng = np.random.default_rng(0)
    centres = rng.uniform(-0.1, 0.1, (64, 3)).astype(np.float32)
    centres[0] = 0
    book = Codebook(centres, np.r_[1000, rng.integers(1, 60, 63)], np.full(3, 0.15, np.float32))
    batch = atomic_flow.AtomicFlowBatch(
        torch.randn(BATCH, 2, 2, 112, 112), torch.randn(BATCH, 8, 3, 28, 28) * 0.05, torch.rand(BATCH, 8, 28, 28) > 0.3
    )
    labelled = clip_classifier.LabelledBatch(torch.randn(BATCH, 8, 2, 112, 112), torch.arange(BATCH) % 20)
    for compiled in (False, True) if "--compile" in sys.argv else (False,):
        net = atomic_flow.build(CONFIG, book)
        tuned = clip_classifier.ClipClassifier(
            atomic_flow.build_encoder(CONFIG), CONFIG.hidden, torch.arange(20), 1, 0.5
        )
        for name, network, loss, data in (
            ("pre-training step", net, atomic_flow.loss, batch),
            ("fine-tuning step", tuned, clip_classifier.loss, labelled),
        ):
            if compiled:
                network.compile()
            yield f"{name}{', compiled' if compiled else ''}", network, loss, data


def bench_steps():
    every = list(networks())
    best = {}
    for _ in range(ROUNDS):
        for name, net, loss, batch in every:
            for threads in (1, 2):
                for precision in ("float32", "bf16"):
                    torch.set_num_threads(threads)
                    began = time.process_time()
                    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                        out = loss(net, batch)
                    out["loss"].backward()
                    took = time.process_time() - began
                    key = (name, threads, precision)
                    best[key] = min(best.get(key, float("inf")), took)
    for (name, threads, precision), seconds in best.items():
        say(name, BATCH, seconds, threads=threads, precision=precision)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(1)
        bench_reading(Store.at(str(Path(folder, "store"))))
    bench_steps()
