"""The training loop on a few generated samples, without Ray: exact resume, schedules, held-out clips, precision."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from motionpipe.jobs.held_out import held_out_figures
from motionpipe.jobs.learn_atomic_flow import load_encoder
from motionpipe.jobs.learners import LEARNERS
from motionpipe.jobs.metrics_log import read_metrics
from motionpipe.jobs.run_files import RunFiles, load_checkpoint
from motionpipe.jobs.train_job import LoopOptions, TrainJob
from motionpipe.jobs.train_loop import Position, Worker, train
from motionpipe.models.atomic_flow import build_encoder
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.depth_codec import encode_d16
from motionpipe.pipeline.samples import npy_bytes
from motionpipe.pipeline.stored_clips import StoredClips
from motionpipe.pipeline.train_samples import TrainSamples
from motionpipe.pipeline.write_shard import Sample, write_tar_shard
from motionpipe.schemas.atomic_flow import AtomicFlowSection
from motionpipe.schemas.codebook import Codebook, SoftStart
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.training import FinetuneSection, TrainSection

CPU = torch.device("cpu")
TIMES = ("clips_per_s", "data_wait")
NETWORK = AtomicFlowSection(
    modality="depth", frame_short_side=32, crop=32, widths=(4, 4, 4, 4, 4), hidden=4, deconv_widths=(4, 4), steps=2
)
TRAIN = TrainSection(
    epochs=2, global_batch=4, micro_batch=2, learning_rate=1e-2, checkpoint_every=1, clips_per_epoch=12
)
FINETUNE = FinetuneSection(
    epochs=4, frozen_epochs=2, clip_frames=3, global_batch=4, micro_batch=2, checkpoint_every=1, frozen_rate=1e-2
)
BOOK = Codebook(
    np.array([[0, 0, 0], [0.1, 0, 0], [-0.1, 0, 0]], np.float32), np.array([90, 5, 5]), np.full(3, 0.2, np.float32)
)


@pytest.fixture
def data(store):
    """Six samples of 7 depth frames: a near square that goes right (class 7) or left (class 9), and its flow."""
    frames, flows = [], []
    for number in range(6):
        direction = 1 if number % 2 else -1
        depth = np.full((7, 32, 48), 3000, np.uint16)
        flow = np.zeros((6, 3, 8, 12), np.float16)
        for t in range(7):
            x = 16 + number + 2 * direction * t
            depth[t, 8:20, x : x + 12] = 1500
            if t < 6:
                flow[t, 0, 2:5, x // 4 : x // 4 + 3] = 0.1 * direction
        members = {f"depth.{t:04d}.d16": encode_d16(image) for t, image in enumerate(depth)}
        frames.append(Sample(f"s{number}", members, 7, 10.0, "hash"))
        arrays = {"flow.npy": npy_bytes(flow), "valid.npy": npy_bytes(np.full((6, 8, 12), 16, np.uint8))}
        flows.append(Sample(f"s{number}", arrays, 7, 10.0, "hash", stride=1, motion=(0.1,) * 6))
    for folder, samples in (("shards", frames), ("flow/fake", flows)):
        items = [SimpleNamespace(key=s.key, recording_id=s.key, path=s.key, sample=s) for s in samples]
        write_tar_shard(store, folder, 0, items, lambda item: [item.sample])
    motion = np.full(6, 0.1, np.float32)
    every = [TrainSample(0, f"s{n}", f"s{n}", f"g{n // 2}", 7, 1, motion, 7 + 2 * (n % 2 == 0)) for n in range(6)]
    return TrainSamples(every[:4], every[4:])


def job_of(store, name, train=TRAIN, finetune=None, init=None):
    flow, book, labels = ("flow/fake", BOOK, ()) if finetune is None else (None, None, (7, 9))
    learner = "atomic-flow" if finetune is None else "atomic-flow/classify"
    return TrainJob(store, name, learner, "made", NETWORK, train, 4, flow, book, finetune, labels, init)


class Dying:
    """Clips of which the n-th asked for cannot be read."""

    def __init__(self, clips, after):
        self.clips, self.left = clips, after

    def frames(self, sample, numbers):
        self.left -= 1
        if self.left < 0:
            raise MotionpipeError("shards/000000.tar is gone")
        return self.clips.frames(sample, numbers)

    def flow(self, *place):
        return self.clips.flow(*place)


def clips_of(job):
    return StoredClips(job.store, job.flow_folder, job.cell, job.network)


def run(job, data, readers=1, clips=None):
    train(Worker(job, data, clips or clips_of(job), CPU, LoopOptions(readers=readers, events=False)))
    return RunFiles(job.store, job.run).latest()


def rows_of(job):
    rows = read_metrics(job.store, f"runs/{job.run}")
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def same(a, b):
    """Equal to the last bit, whatever they hold."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("task", ["pretrain", "classify"])
@pytest.mark.parametrize("reads", [5, 17, 31])  # in the first epoch, after a held-out pass, near the end
def test_a_run_that_stops_in_an_epoch_goes_on_to_the_same_bits(store, data, task, reads):
    finetune = FINETUNE.model_copy(update={"clips_per_epoch": 8}) if task == "classify" else None
    whole, broken = (job_of(store, name, finetune=finetune) for name in ("whole", "broken"))
    first = broken.loop.clips_per_epoch  # read once for the statistics of the untrained network
    expected = run(whole, data)
    with pytest.raises(MotionpipeError, match="is gone"):
        run(broken, data, readers=0, clips=Dying(clips_of(broken), first + reads))
    stopped = RunFiles(store, "broken").latest()
    assert stopped["step"] <= expected["step"]
    assert same(run(broken, data, readers=2), expected)
    assert rows_of(broken) == rows_of(whole)


def test_what_was_logged_after_the_last_checkpoint_is_cut(store, data):
    config = TRAIN.model_copy(update={"checkpoint_every": 2})
    job = job_of(store, "cut", config)
    with pytest.raises(MotionpipeError):
        run(job, data, readers=0, clips=Dying(clips_of(job), 12 + 15))  # in step 4; the epoch ended with step 3
    assert [row["step"] for row in rows_of(job)] == [1, 3]
    assert RunFiles(store, "cut").latest_step() == 2
    run(job, data)
    assert [row["step"] for row in rows_of(job)] == [1, 3, 6]


def test_threads_that_read_ahead_change_nothing(store, data):
    results = [run(job_of(store, f"readers{n}"), data, readers=n) for n in (0, 1, 3)]
    assert same(results[0], results[1])
    assert same(results[0], results[2])


def test_a_run_that_was_made_from_something_else_is_not_gone_on_with(store, data):
    run(job_of(store, "a"), data)
    with pytest.raises(MotionpipeError, match="another --name"):
        run(dataclasses.replace(job_of(store, "a"), made_from="other"), data)


def test_checkpoints_load_without_pickle_and_hold_float32(store, data):
    job = job_of(store, "bf16", TRAIN.model_copy(update={"precision": "bf16"}))
    state = run(job, data)
    assert {v.dtype for v in state["model"].values() if v.is_floating_point()} == {torch.float32}
    plain = run(job_of(store, "plain"), data)
    assert not same(state["model"], plain["model"])
    losses = [rows_of(job_of(store, name))[0]["loss"] for name in ("bf16", "plain")]
    assert losses[0] == pytest.approx(losses[1], rel=0.03)


def test_held_out_clips_are_watched_after_each_epoch_and_not_learned_from(store, data):
    job = job_of(store, "watched")
    run(job, data)
    rows = rows_of(job)
    assert [row["step"] for row in rows if "held_out_loss" in row] == [3, 6]
    assert rows[-1].keys() >= {"held_out_accuracy", "held_out_unweighted"}
    alone = job_of(store, "alone")
    assert same(run(alone, TrainSamples(data.learned, [])), RunFiles(store, "watched").latest()) is False  # best_loss
    weights = [
        load_checkpoint(store, f"runs/{name}/checkpoints/step-00000006.pt")["model"] for name in ("watched", "alone")
    ]
    assert same(*weights)


def test_the_held_out_loss_of_a_learnable_codebook_does_not_fall_with_the_temperature(store, data):
    book = dataclasses.replace(BOOK, kind="learnable", scale=np.full(3, 0.1, np.float32), soft_start=SoftStart(1, 1, 1))
    config = TRAIN.model_copy(update={"learning_rate": 1e-12, "epochs": 3, "holdout": 0.3})
    job = dataclasses.replace(job_of(store, "soft", config), codebook=book)
    run(job, data)
    losses = [row["held_out_loss"] for row in rows_of(job) if "held_out_loss" in row]
    assert losses == pytest.approx([losses[0]] * 3, abs=3e-6)


def test_the_best_epoch_is_kept_where_patience_is_asked_for(store, data):
    config = TRAIN.model_copy(update={"holdout": 0.3, "patience": 1, "learning_rate": 3.0, "epochs": 30})
    job = job_of(store, "patient", config)
    state = run(job, data)
    losses = [row["held_out_loss"] for row in rows_of(job) if "held_out_loss" in row]
    best = int(np.argmin(losses))
    assert len(losses) == best + 2 < 30
    assert state["position"]["best_epoch"] == best
    kept = load_checkpoint(store, "runs/patient/checkpoints/best.pt")["model"]
    settled = ("running_mean", "running_var", "num_batches_tracked")
    assert all(torch.equal(kept[n], state["model"][n]) for n in kept if not n.endswith(settled))


def test_the_run_ends_after_epochs_without_anything_better():
    config = TRAIN.model_copy(update={"holdout": 0.1, "patience": 2, "epochs": 9})
    ends = [Position(epoch=epoch, best_epoch=3).ended(config) for epoch in range(4, 10)]
    assert ends == [False, False, True, True, True, True]
    assert [Position(epoch=epoch).ended(TRAIN) for epoch in (0, 1, 2)] == [False, False, True]


def test_a_frozen_encoder_keeps_its_weights_and_statistics(store, data):
    run(job_of(store, "pre"), data)
    init = (store, RunFiles(store, "pre").checkpoints()[-1])
    frozen = FINETUNE.model_copy(update={"epochs": 2})
    state = run(job_of(store, "tuned", finetune=frozen, init=init), data)
    before = load_checkpoint(*init)["model"]
    names = [name for name in before if name.startswith("encoder.")]
    assert all(torch.equal(before[name], state["model"][name]) for name in names)
    thawed = run(job_of(store, "thawed", finetune=FINETUNE, init=init), data)
    assert not torch.equal(before["encoder.conv.0.weight"], thawed["model"]["encoder.conv.0.weight"])
    assert state["model"]["labels"].tolist() == [7, 9]


def test_held_out_clips_are_normalised_as_those_of_training_where_the_encoder_is_frozen(store, data):
    """Whatever clips are held out together, a frozen encoder shows the same of each."""
    run(job_of(store, "pre"), data)
    init = (store, RunFiles(store, "pre").checkpoints()[-1])
    losses = []
    for size in (2, 4):
        config = FINETUNE.model_copy(update={"micro_batch": size, "holdout": 0.3})
        worker = Worker(
            job_of(store, f"held{size}", finetune=config, init=init), data, clips_of(job_of(store, "x")), CPU
        )
        torch.manual_seed(0)
        net = worker.learner.build(worker.job)
        worker.learner.begin(net, worker.job, 0)
        losses.append(held_out_figures(worker, net)["held_out_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=2e-6)


def test_the_encoder_of_a_best_epoch_that_was_frozen_keeps_its_statistics(store, data):
    run(job_of(store, "pre"), data)
    init = (store, RunFiles(store, "pre").checkpoints()[-1])
    update = {"holdout": 0.3, "patience": 1, "epochs": 9, "frozen_epochs": 1, "encoder_rate": 10.0, "head_rate": 10.0}
    state = run(job_of(store, "tuned", finetune=FINETUNE.model_copy(update=update), init=init), data)
    assert state["position"]["best_epoch"] == 0
    before = load_checkpoint(*init)["model"]
    assert all(torch.equal(before[name], state["model"][name]) for name in before if name.startswith("encoder."))


def test_a_classifier_learns_the_direction_by_heart(store, data):
    config = FINETUNE.model_copy(
        update={
            "epochs": 40,
            "frozen_epochs": 0,
            "encoder_rate": 1e-2,
            "head_rate": 1e-2,
            "flip": False,
            "dropout": 0.0,
        }
    )
    job = job_of(store, "direction", finetune=config)
    state = run(job, data)
    assert rows_of(job)[-1]["accuracy"] == 1
    net = LEARNERS["atomic-flow/classify"].restore(NETWORK, state["model"])
    assert not net.training


def test_an_encoder_of_other_sizes_is_one_clear_error(store, data):
    model = run(job_of(store, "pre"), data)["model"]
    other = build_encoder(NETWORK.model_copy(update={"hidden": 8}))
    with pytest.raises(MotionpipeError, match="another network"):
        load_encoder(other, model)


def test_a_loss_that_is_no_number_ends_the_run(store, data):
    job = job_of(store, "nan", TRAIN.model_copy(update={"learning_rate": 1e30, "grad_clip": 1e30}))
    with pytest.raises(MotionpipeError, match="lower the learning rate"):
        run(job, data)


def test_events_for_tensorboard_lie_beside_the_metrics(store, data):
    job = job_of(store, "events")
    train(Worker(job, data, clips_of(job), CPU, LoopOptions()))
    assert store.list("runs/events/tensorboard")
    assert json.loads(store.read_bytes("runs/events/metrics.jsonl").splitlines()[0])["step"] == 1


def test_compile_needs_a_compiler(store, data, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    job = job_of(store, "compiled")
    with pytest.raises(MotionpipeError, match="needs a C\\+\\+ compiler"):
        train(Worker(job, data, clips_of(job), CPU, LoopOptions(compiled=True, events=False)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on a CPU needs g++")
def test_a_compiled_run_learns_the_same(store, data):
    """Kernels that sum in another order: the first step's loss is the same but for its last digits."""
    for name, compiled in (("compiled", True), ("eager", False)):
        job = job_of(store, name, TRAIN.model_copy(update={"epochs": 1}))
        train(Worker(job, data, clips_of(job), CPU, LoopOptions(compiled=compiled, events=False)))
    losses = [rows_of(job_of(store, name))[0]["loss"] for name in ("compiled", "eager")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert load_checkpoint(store, "runs/compiled/checkpoints/step-00000003.pt")["model"].keys() == (
        load_checkpoint(store, "runs/eager/checkpoints/step-00000003.pt")["model"].keys()
    )


@pytest.mark.parametrize("readers", [0, 2])
@pytest.mark.parametrize("folder", ["shards", "flow/fake"])
def test_a_damaged_tar_ends_the_run_in_one_clear_line(store, data, folder, readers):
    path = store.local_path(f"{folder}/000000.tar")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MotionpipeError, match=rf"{folder}/000000\.tar") as caught:
        run(job_of(store, "damaged"), data, readers=readers)
    assert "\n" not in str(caught.value)
