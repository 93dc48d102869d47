"""LSTMs as learners: predictors of sequences, and classifiers with a softmax at each step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models import lstm, lstm_classifier
from ..models.weight_groups import weight_groups
from ..pipeline.clip_plan import ClipRef, TrainSample, sequence_starts
from ..pipeline.store import Store
from .classifier_rates import head_and_encoder, rate_factors
from .learn_atomic_flow import load_encoder
from .learner import Learner
from .run_files import load_checkpoint
from .train_job import TrainJob

if TYPE_CHECKING:
    from ..pipeline.frame_input import Float
    from ..pipeline.sequence_clips import SequenceSource

MODALITIES = {"moving-mnist": "frames", "patches": "rgb", "percepts": "rgb"}
"""The stream that each input comes from, see `frame_input.STREAMS`."""


def frames_needed(network: Any) -> int:
    """Frames of a sample that predicting takes."""
    return int(network.input_frames + (network.future_frames if "future" in network.decoders else 0))


def _open(store: Store, flow_folder: str | None, cell: int, network: Any) -> SequenceSource:
    # here, since machines that train from a pack have no pydantic
    from ..pipeline.sequence_clips import open_sequences

    return open_sequences(store, network)


def _values(job: TrainJob) -> int:
    from ..pipeline.sequence_clips import frame_values

    return frame_values(job.store, job.network)


def _read(
    job: TrainJob, source: SequenceSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef]
) -> lstm.SequenceBatch:
    frames = frames_needed(job.network)
    sequences = [source.read(samples[ref.sample], ref, frames) for ref in refs]
    return lstm.SequenceBatch(torch.from_numpy(np.concatenate(sequences)))


def _predictor_groups(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    groups = weight_groups(net, job.loop.weight_decay)
    return [group | {"part": "network", "full_rate": job.train.learning_rate} for group in groups]


def _begin_predictor(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    net.train()
    return {}


def _restore_predictor(network: Any, model: dict[str, Tensor]) -> nn.Module:
    net = lstm.build(network, model["encoder.layers.0.weight_x"].shape[1])
    net.load_state_dict(model)
    return net.eval()


def _build_classifier(job: TrainJob) -> nn.Module:
    assert job.finetune is not None
    labels = torch.tensor(list(job.labels))
    net = lstm_classifier.LSTMClassifier(_values(job), job.network, labels, job.finetune.dropout)
    if job.init:
        load_encoder(net.encoder, load_checkpoint(*job.init)["model"])
    return net


def _begin_classifier(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    net.train()
    return rate_factors(job, epoch)


def _read_labelled(
    job: TrainJob, source: SequenceSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef]
) -> lstm_classifier.LabelledSequences:
    assert job.finetune is not None
    place = {label: index for index, label in enumerate(job.labels)}
    cut = []
    for ref in refs:
        sample = samples[ref.sample]
        numbers = [(ref.start + i) % sample.num_frames for i in range(job.finetune.clip_frames)]
        cut.append(source.show(sample, numbers))
    classes = torch.tensor([place[samples[ref.sample].label] for ref in refs])
    return lstm_classifier.LabelledSequences(torch.from_numpy(np.stack(cut)), classes)


def _restore_classifier(network: Any, model: dict[str, Tensor]) -> nn.Module:
    values = model["encoder.layers.0.weight_x"].shape[1]
    net = lstm_classifier.LSTMClassifier(values, network, model["labels"])
    net.load_state_dict(model)
    return net.eval()


def _cut(network: Any, sample: TrainSample, num_clips: int, frames: int) -> list[list[int]]:
    from ..pipeline.batches_clip_classifier import spaced_clips

    return spaced_clips(sample.num_frames, 1, num_clips, frames)


def _show(network: Any, source: SequenceSource, sample: TrainSample, numbers: Sequence[Sequence[int]]) -> Float:
    return np.stack([source.show(sample, clip) for clip in numbers])


PRETRAIN = Learner(
    open=_open,
    modality=lambda network: MODALITIES[network.input],
    build=lambda job: lstm.build(job.network, _values(job)),
    groups=_predictor_groups,
    begin=_begin_predictor,
    starts=lambda job: partial(sequence_starts, frames=frames_needed(job.network)),
    flip=lambda job: bool(job.network.input == "patches"),
    read=_read,
    loss=lstm.loss,
    restore=_restore_predictor,
    cut=_cut,
    show=_show,
    features=lambda net, clips, pool_grid: lstm.features(net, clips),
)

CLASSIFY = Learner(
    open=_open,
    modality=lambda network: MODALITIES[network.input],
    build=_build_classifier,
    groups=head_and_encoder,
    begin=_begin_classifier,
    starts=lambda job: partial(sequence_starts, frames=job.finetune.clip_frames if job.finetune else 1),
    flip=lambda job: False,
    read=_read_labelled,
    loss=lambda net, batch, progress: lstm_classifier.loss(net, batch),
    restore=_restore_classifier,
    cut=_cut,
    show=_show,
    features=lambda net, clips, pool_grid: lstm.features(net, clips),
)
