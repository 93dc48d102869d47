"""UF-TSN as a learner: the flow network from unlabelled pairs, and streams that classify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..models import uf_tsn
from ..models.uf_flow import UfFlow
from ..models.weight_groups import weight_groups
from ..pipeline.clip_plan import ClipRef, Starts, TrainSample
from ..pipeline.frame_input import Float
from ..pipeline.store import Store
from ..pipeline.weight_files import read_weights
from .classifier_rates import is_frozen, rate_factors
from .learner import Learner
from .run_files import load_checkpoint
from .train_job import TrainJob

if TYPE_CHECKING:
    from ..pipeline.batches_uf_tsn import ClipSource
    from ..schemas.uf_tsn import UfTsnSection

# batches_uf_tsn is imported where it is used: a machine that trains from a pack has no OpenCV


def _groups(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    rate = job.train.learning_rate
    return [g | {"part": "network", "full_rate": rate} for g in weight_groups(net, job.loop.weight_decay)]


def _begin(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    net.train()
    return {}


def _build_stream(job: TrainJob) -> nn.Module:
    """Weights of the run that it begins from, of the flow network or of the whole stream, and public ones."""
    assert job.finetune is not None
    net = uf_tsn.build(job.network, job.labels, job.finetune.dropout)
    if job.init:
        begun = load_checkpoint(*job.init)["model"]
        (net if job.network.stage == "joint" else net.get_submodule("flow")).load_state_dict(begun)
    if job.weights:
        assert isinstance(net, uf_tsn.UfStream)
        uf_tsn.load_backbone(net, read_weights(Path(job.weights)))
    return net


def _stream_groups(net: nn.Module, job: TrainJob) -> list[dict[str, Any]]:
    assert job.finetune is not None
    assert isinstance(net, uf_tsn.UfStream)
    finetune, network = job.finetune, job.network
    rates = {"head": finetune.head_rate, "stem": network.stem_rate, "encoder": finetune.encoder_rate}
    if network.stage == "joint":
        rates["flow"] = network.flow_rate
    modules = uf_tsn.parts(net)
    return [
        group | {"part": part, "full_rate": rate}
        for part, rate in rates.items()
        # decay is for classifiers: the flow network was trained without
        for group in weight_groups(nn.ModuleList(modules[part]), 0.0 if part == "flow" else job.loop.weight_decay)
    ]


def _begin_stream(net: nn.Module, job: TrainJob, epoch: int) -> dict[str, float]:
    assert isinstance(net, uf_tsn.UfStream)
    uf_tsn.freeze_all_but_head(net, is_frozen(job, epoch))
    return rate_factors(job, epoch, still=("stem", "encoder", "flow"))


def _restore_flow(network: UfTsnSection, model: dict[str, Tensor]) -> nn.Module:
    net = UfFlow(network)
    net.load_state_dict(model)
    return net.eval()


def _restore_stream(network: UfTsnSection, model: dict[str, Tensor]) -> nn.Module:
    net = uf_tsn.build(network, model["labels"].tolist())
    net.load_state_dict(model)
    return net.eval()


def restore_estimator(network: UfTsnSection, model: dict[str, Tensor]) -> UfFlow:
    """The flow network of a checkpoint of the flow stage, or of a temporal stream."""
    prefix = "" if network.stage == "flow" else "flow."
    weights = {name.removeprefix(prefix): value for name, value in model.items() if name.startswith(prefix)}
    net = UfFlow(network)
    net.load_state_dict(weights)
    return net.eval()


def _open(store: Store, flow_folder: str | None, cell: int, network: UfTsnSection) -> ClipSource:
    if network.flow is not None:
        from ..pipeline.stored_flow import StoredFlow

        return StoredFlow(store, f"flow/{network.flow}")
    from ..pipeline.stored_frames import StoredFrames

    return StoredFrames(store)


def _read(job: TrainJob, clips: ClipSource, samples: Sequence[TrainSample], refs: Sequence[ClipRef]) -> Any:
    from ..pipeline.batches_uf_tsn import build_batch

    return build_batch(clips, samples, refs, job.network, job.labels)


def _seeds(job: TrainJob) -> Starts:
    from ..pipeline.batches_uf_tsn import clip_seeds

    return clip_seeds


def _loss(net: nn.Module, batch: uf_tsn.UfTsnBatch, progress: float) -> dict[str, Tensor]:
    return uf_tsn.loss(net, batch)


def _cut(network: UfTsnSection, sample: TrainSample, num_clips: int, frames: int) -> list[list[int]]:
    """Snippets are as long as the network needs them, whatever is asked."""
    from ..pipeline.batches_uf_tsn import middle_snippets

    return middle_snippets(sample.num_frames, num_clips, network)


def _around(network: UfTsnSection, sample: TrainSample, frame: int) -> list[int]:
    from ..pipeline.batches_uf_tsn import snippet_around

    return snippet_around(frame, sample.num_frames, network)


def _show(network: UfTsnSection, clips: ClipSource, sample: TrainSample, numbers: Sequence[Sequence[int]]) -> Float:
    from ..pipeline.batches_uf_tsn import read_test_snippets

    return read_test_snippets(clips, sample, numbers, 1, network)


def _show_crops(
    network: UfTsnSection, clips: ClipSource, sample: TrainSample, numbers: Sequence[Sequence[int]]
) -> Float:
    from ..pipeline.batches_uf_tsn import read_test_snippets

    return read_test_snippets(clips, sample, numbers, 10, network)


FLOW = Learner(
    open=_open,
    modality=lambda network: "rgb",
    build=lambda job: uf_tsn.build(job.network),
    groups=_groups,
    begin=_begin,
    starts=_seeds,
    flip=lambda job: True,
    read=_read,
    loss=_loss,
    restore=_restore_flow,
    cut=_cut,
    show=_show,
    features=None,
)

STREAM = replace(
    FLOW,
    build=_build_stream,
    groups=_stream_groups,
    begin=_begin_stream,
    flip=lambda job: bool(job.finetune and job.finetune.flip),
    restore=_restore_stream,
    features=uf_tsn.features,
    show_crops=_show_crops,
    around=_around,
)
