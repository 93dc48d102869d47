"""UF-TSN: one stream classifies frames, the other the motion that a network inside of it estimates.

    snippets ─┬─ flow network ─► L flows ─► ResNet ─► scores ─┐  temporal
              └─ a frame ─────────────────► ResNet ─► scores ─┴► mean over segments ─► consensus

Stage flow trains the flow network alone, without labels; classifier trains the ResNet on flow as it is; joint lets
gradients through to the flow network and keeps the unsupervised loss on. Source: UF-TSN, ICASSP 2021; segments and
consensus: Wang et al., ECCV 2016 (TSN).

Shapes: B clips, K segments, a snippet of F frames of each (L + 1 or 1), S side of the crop, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backward_warp import enlarge_flow
from .flow_stack import stack_flow
from .pretrained import average_input_channels, load_weights
from .resnet import IMAGENET_MEAN, IMAGENET_STD, ResNet, normalise
from .uf_flow import UfFlow
from .unsupervised_flow import chain_loss, unsupervised_loss

if TYPE_CHECKING:
    from ..schemas.uf_tsn import UfTsnSection

UNLABELLED = -1


@dataclass(frozen=True)
class UfTsnBatch:
    """Snippets, and the column int64 (B,) of each clip's class, -1 where it has none.

    frames: float32 (B, K, F, 3, S, S) in [0, 1]; for a stream of stored flow that, (B, K, L, 2, S, S) in pixels.
    """

    frames: Tensor
    classes: Tensor

    def __post_init__(self) -> None:
        if self.frames.ndim != 6 or self.frames.shape[3] not in (2, 3) or not self.frames.is_floating_point():
            raise ValueError(
                f"snippets must be float (B, K, F, 3 or 2, S, S), got {self.frames.dtype} {self.frames.shape}"
            )
        if self.classes.dtype != torch.int64 or self.classes.shape != self.frames.shape[:1]:
            raise ValueError(f"classes must be int64 ({len(self.frames)},), got {self.classes.dtype}")

    def to(self, device: torch.device | str) -> UfTsnBatch:
        """The same batch on `device`."""
        return UfTsnBatch(self.frames.to(device), self.classes.to(device))


class UfStream(nn.Module):
    """One stream with its classifier; labels: buffer int64 (C,), the dataset's class index of each column."""

    labels: Tensor

    def __init__(self, config: UfTsnSection, labels: Tensor, dropout: float) -> None:
        super().__init__()
        self.config = config
        self.flow = UfFlow(config).requires_grad_(config.stage == "joint") if config.estimates_flow else None
        channels = 2 * config.stack if config.stream == "temporal" else 3
        self.backbone = ResNet(2, config.backbone, len(labels), channels, config.backbone_width)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("labels", labels.to(torch.int64))

    def forward(self, snippets: Tensor) -> Tensor:
        """Scores before the softmax (N, C) of snippets (N, F, 3, H, W) in [0, 1]."""
        return self.classify(self.see(snippets)[0])

    def classify(self, seen: Tensor) -> Tensor:
        """Scores (N, C) of what the backbone is shown."""
        assert self.backbone.fc is not None
        scores: Tensor = self.backbone.fc(self.dropout(self.backbone.pool(self.backbone(seen))))
        return scores

    def see(self, snippets: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the backbone is shown of snippets (N, F, 3, H, W), and the flow of all levels; H, W multiples of 32."""
        if self.config.stream == "spatial":
            return normalise(2 * snippets[:, 0] - 1, IMAGENET_MEAN, IMAGENET_STD), []
        if self.flow is None:
            return stack_flow(snippets.flatten(0, 1), self.config.stack, self.config.flow_clip), []
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.stage == "joint"):
            flows = self.flow.along(snippets)
            finest = enlarge_flow(flows[0], self.config.finest)
            return stack_flow(finest, self.config.stack, self.config.flow_clip), flows


def build(config: UfTsnSection, labels: Sequence[int] = (), dropout: float = 0.0) -> UfFlow | UfStream:
    """The flow network (stage flow), or a stream that tells the classes `labels` apart; weights by torch's seed."""
    return UfFlow(config) if config.stage == "flow" else UfStream(config, torch.tensor(list(labels)), dropout)


def freeze_all_but_head(net: UfStream, frozen: bool) -> None:
    """Training mode, in which all but the last layer may stand still, with the statistics of its norms.

    The flow network learns in the joint stage only.
    """
    assert net.backbone.fc is not None
    net.train()
    net.requires_grad_(not frozen)
    if net.flow is not None:
        net.flow.requires_grad_(not frozen and net.config.stage == "joint")
    net.backbone.fc.requires_grad_(True)
    if frozen:
        net.backbone.eval()


def loss(net: nn.Module, batch: UfTsnBatch) -> dict[str, Tensor]:
    """Scalars of one batch; only `loss` carries gradients.

    Stage flow: see `unsupervised_loss`. Else cross-entropy `class` of the consensus [nats a clip] and `accuracy` over
    the labelled clips, and in the joint stage the terms of the unsupervised loss, whose weight is lambda_flow.
    """
    if isinstance(net, UfFlow):
        return unsupervised_loss(net, batch.frames[:, 0, 0], batch.frames[:, 0, 1])
    assert isinstance(net, UfStream)
    snippets = batch.frames.flatten(0, 1)
    seen, flows = net.see(snippets)
    scores = net.classify(seen)
    consensus = scores.view(*batch.frames.shape[:2], -1).mean(dim=1).float()
    total = F.cross_entropy(consensus, batch.classes)
    right = consensus.detach().argmax(dim=1) == batch.classes
    scalars = {"class": total.detach(), "accuracy": right.float().mean()}
    if net.config.stage == "joint":
        unsupervised = chain_loss(net.config, flows, snippets)
        total = total + net.config.lambda_flow * unsupervised.pop("loss")
        scalars |= unsupervised
    return {"loss": total, **scalars}


def features(net: UfStream, clip: Tensor, pool_grid: int = 1) -> Tensor:
    """Embeddings (N, D pool_grid²) of snippets (N, F, 3, H, W) in [0, 1]: the backbone's maps, averaged to a grid.

    D = 8 or 32 times backbone_width. Evaluation mode and gradients are the caller's choice.
    """
    return F.adaptive_avg_pool2d(net.backbone(net.see(clip)[0]), pool_grid).flatten(1)


def load_backbone(net: UfStream, weights: Mapping[str, Tensor]) -> None:
    """Begin from an image classifier's weights, of any number of classes, as torchvision names them.

    The first convolution of the temporal stream takes the mean over colours, for each of its channels (TSN's
    cross-modality start).
    """
    if net.config.stream == "temporal":
        weights = average_input_channels(weights, 2 * net.config.stack)
    load_weights(net.backbone, weights, leave_out=("fc.",))


def parts(net: UfStream) -> dict[str, list[nn.Module]]:
    """What is trained at a rate of its own: head, stem (first convolution and its norm), encoder, and flow if any."""
    body = net.backbone
    assert body.fc is not None
    found: dict[str, list[nn.Module]] = {
        "head": [body.fc],
        "stem": [body.conv1, body.bn1],
        "encoder": [body.layer1, body.layer2, body.layer3, body.layer4],
    }
    return found | ({"flow": [net.flow]} if net.flow is not None else {})
