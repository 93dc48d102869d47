"""Atomic 3D flows: two frames in, the codewords of the next n flow maps out (Luo et al. 2017).

    frames ─► Conv ─► encoder ConvLSTM ═(h, c)═► decoder ConvLSTM ─► Deconv ─► K logits a cell, for each of n steps

Shapes: B clips, T frames, n steps, C channels, S side of the crop, s side of the code, g side of the target grid,
K codewords.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..schemas.codebook import Codebook, SoftStart
from .codebook import encode, encode_soft, scaled_cells
from .conv_lstm import ConvLSTMCell, State
from .learnable_codebook import fitness, soft_assignment, temperature, usage_weight
from .pool_clip import pool_clip
from .rebalance import class_weights, rebalanced_cross_entropy, rebalanced_soft_cross_entropy, smoothed_prior

if TYPE_CHECKING:
    from ..schemas.atomic_flow import AtomicFlowSection

INPUT_CHANNELS = {"depth": 2, "rgb": 3, "rgbd": 5}
"""Channels of a frame: depth and whether it is valid; red, green, blue; or the three followed by the two."""

CONVS_IN_STAGE = (2, 2, 3, 3, 3)


@dataclass(frozen=True)
class AtomicFlowBatch:
    """Clips and the flow that follows them.

    frames: float32 (B, 2, C_in, S, S). flow: float32 (B, n, C, g, g), metres (C = 3) or pixels (C = 2) a step, not yet
    encoded. valid: bool (B, n, g, g), cells that take part in the loss.
    """

    frames: Tensor
    flow: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        if self.frames.ndim != 5 or self.flow.ndim != 5 or not self.frames.is_floating_point():
            raise ValueError(f"frames and flow must have five axes, got {self.frames.shape} and {self.flow.shape}")
        if self.valid.dtype != torch.bool or self.valid.shape != self.flow[:, :, 0].shape:
            raise ValueError(f"valid must be bool {tuple(self.flow[:, :, 0].shape)}, got {self.valid.shape}")
        if len(self.frames) != len(self.flow):
            raise ValueError(f"{len(self.frames)} clips of frames, {len(self.flow)} of flow")

    def to(self, device: torch.device | str) -> AtomicFlowBatch:
        """The same batch on `device`."""
        return AtomicFlowBatch(self.frames.to(device), self.flow.to(device), self.valid.to(device))


class Conv(nn.Sequential):
    """VGG-like network of one frame: (N, C_in, S, S) -> (N, hidden, s, s); s = S/16, or S/32 if conv5 has stride 2."""

    def __init__(self, channels: int, config: AtomicFlowSection) -> None:
        layers: list[nn.Module] = []
        stride_5 = config.crop // 16 // config.code_side
        for stage, (width, convs) in enumerate(zip(config.widths, CONVS_IN_STAGE, strict=True), start=1):
            for index in range(convs):
                first_of_5 = stage == 5 and index == 0
                pooled = stage < 5 and index == convs - 1
                layers += _conv_bn_relu(channels, width, 3, stride_5 if first_of_5 else 1, pooled)
                channels = width
        layers += _conv_bn_relu(channels, config.hidden, 1)
        super().__init__(*layers)


class Encoder(nn.Module):
    """Conv on every frame, then the encoder ConvLSTM over them: what is kept for embedding and fine-tuning."""

    def __init__(self, config: AtomicFlowSection) -> None:
        super().__init__()
        self.conv = Conv(INPUT_CHANNELS[config.modality], config)
        self.lstm = ConvLSTMCell(config.hidden, config.hidden)

    def forward(self, frames_BTCSS: Tensor) -> tuple[Tensor, State]:
        """Hidden maps (B, T, hidden, s, s) after each frame, and the state after the last."""
        codes: Tensor = self.conv(_channels_last(frames_BTCSS.flatten(0, 1)))
        code_T = codes.view(*frames_BTCSS.shape[:2], *codes.shape[1:]).unbind(1)
        state = self.lstm.zero_state(code_T[0])
        hidden = []
        for code in code_T:
            state = self.lstm(code, state)
            hidden.append(state[0])
        return torch.stack(hidden, dim=1), state


class Deconv(nn.Sequential):
    """Doubles the grid once for each width, then scores the codewords: (N, hidden, s, s) -> (N, K, g, g)."""

    def __init__(self, config: AtomicFlowSection, codewords: int) -> None:
        layers: list[nn.Module] = []
        channels = config.hidden
        for width in config.deconv_widths:
            layers.append(nn.ConvTranspose2d(channels, width, kernel_size=4, stride=2, padding=1, bias=False))
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        super().__init__(*layers, nn.Conv2d(channels, codewords, kernel_size=1))


class Decoder(nn.Module):
    """The decoder ConvLSTM unrolls n steps from the encoder's state, and Deconv draws each of them."""

    def __init__(self, config: AtomicFlowSection, codewords: int) -> None:
        super().__init__()
        self.feedback = config.feedback
        self.lstm = ConvLSTMCell(config.hidden if config.feedback else 0, config.hidden)
        self.deconv = Deconv(config, codewords)

    def forward(self, state: State, steps: int) -> Tensor:
        """Logits (B, n, K, g, g). In training batch norm takes its statistics over all n steps together."""
        hidden = []
        x = torch.zeros_like(state[0]) if self.feedback else None
        for _ in range(steps):
            state = self.lstm(x, state)
            hidden.append(state[0])
            x = state[0] if self.feedback else None
        hidden_BnCss = torch.stack(hidden, dim=1)
        logits: Tensor = self.deconv(_channels_last(hidden_BnCss.flatten(0, 1)))
        return logits.view(*hidden_BnCss.shape[:2], *logits.shape[1:])


class AtomicFlowNet(nn.Module):
    """Encoder, decoder, and the codebook whose codewords the logits stand for; checkpoints carry it.

    A learnable codebook is what it began with and `offsets` (K - 1, C) from there, in units of its scale; the zero
    codeword stays.
    """

    start_centres: Tensor
    clip: Tensor
    scale: Tensor
    prior: Tensor
    class_weights: Tensor

    def __init__(self, config: AtomicFlowSection, codebook: Codebook) -> None:
        super().__init__()
        prior, scale = torch.from_numpy(codebook.prior()), torch.from_numpy(codebook.axis_scale()).clone()
        centres = torch.from_numpy(codebook.centres).clone()
        mixed = smoothed_prior(prior, centres / scale, config.prior_sigma)
        weights = class_weights(prior, config.rebalance_lambda, mixed, config.rebalance_nonzero)
        self.config, self.soft_start = config, codebook.soft_start
        self.encoder = Encoder(config)
        self.decoder = Decoder(config, codebook.size)
        self.register_buffer("start_centres", centres)
        self.register_buffer("clip", torch.from_numpy(codebook.clip).clone())
        self.register_buffer("scale", scale)
        self.register_buffer("prior", prior.float())
        self.register_buffer("class_weights", weights.float())
        self.offsets = nn.Parameter(torch.zeros_like(centres[1:])) if codebook.kind == "learnable" else None

    @property
    def centres(self) -> Tensor:
        """Codewords (K, C) as they are now, in the unit of the flow."""
        if self.offsets is None:
            return self.start_centres
        return self.start_centres + self.scale * F.pad(self.offsets, (0, 0, 1, 0))

    def forward(self, frames_BTCSS: Tensor, steps: int) -> Tensor:
        """Logits (B, n, K, g, g) of the `steps` flow maps that follow the frames (B, T, C_in, S, S)."""
        _, state = self.encoder(frames_BTCSS)
        logits: Tensor = self.decoder(state, steps)
        return logits


def build(config: AtomicFlowSection, codebook: Codebook) -> AtomicFlowNet:
    """A new network; its weights follow from the state of torch's generator.

    ValueError where the codebook has counted no cell, or rebalance_lambda = 0 meets a codeword without cells.
    """
    return AtomicFlowNet(config, codebook).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def codebook_of(model: dict[str, Tensor]) -> Codebook:
    """The codebook of a checkpoint's `model`, with its centres as they are there.

    Counts and soft start are only what `build` needs to make a network of the same sizes: the state has the prior.
    """
    centres, scale = model["start_centres"].cpu(), model["scale"].cpu()
    learnable = "offsets" in model
    if learnable:
        centres = centres + scale * F.pad(model["offsets"].cpu(), (0, 0, 1, 0))
    counts = np.ones(len(centres), dtype=np.int64)
    book = Codebook(centres.numpy(), counts, model["clip"].cpu().numpy(), scale.numpy())
    return replace(book, kind="learnable", soft_start=SoftStart(1.0, 1.0, 1.0)) if learnable else book


def build_encoder(config: AtomicFlowSection) -> Encoder:
    """A new encoder alone, as fine-tuning takes it."""
    return Encoder(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def loss(net: AtomicFlowNet, batch: AtomicFlowBatch, progress: float = 1.0) -> dict[str, Tensor]:
    """Scalars of one batch; only `loss` carries gradients. progress: part of the run that is done, 0 to 1.

    loss and unweighted: cross-entropy with and without rebalancing [nats a valid cell]. accuracy: part of the valid
    cells whose likeliest codeword is the target; moving_accuracy: the same over cells whose target is not codeword 0
    (0 where there is none).

    With a learnable codebook the loss has two terms more, and there are weighted (the cross-entropy alone),
    reconstruction and usage (unweighted, in squared units of the codebook and in nats), perplexity and temperature.

    Under autocast the network alone runs in mixed precision; targets and losses are float32.
    """
    logits: Tensor = net(batch.frames, batch.flow.shape[1])
    with torch.autocast(logits.device.type, enabled=False):
        return _losses(net, batch, logits.float(), progress)


def _losses(net: AtomicFlowNet, batch: AtomicFlowBatch, logits: Tensor, progress: float) -> dict[str, Tensor]:
    codes = encode(batch.flow, net.centres.detach(), net.clip, net.scale)
    extra: dict[str, Tensor] = {}
    if net.offsets is not None:
        total, unweighted, extra = _learnable_loss(net, batch, codes, logits, progress)
    elif net.config.target == "soft":
        soft = encode_soft(batch.flow, net.centres, net.clip, net.scale)
        total, unweighted = rebalanced_soft_cross_entropy(logits, soft, codes, batch.valid, net.class_weights)
    else:
        total, unweighted = rebalanced_cross_entropy(logits, codes, batch.valid, net.class_weights)
    hits = logits.detach().argmax(dim=2) == codes
    return {
        "loss": total,
        "unweighted": unweighted.detach(),
        "accuracy": _share(hits, batch.valid),
        "moving_accuracy": _share(hits, batch.valid & (codes != 0)),
        **{name: value.detach() for name, value in extra.items()},
    }


def _learnable_loss(
    net: AtomicFlowNet, batch: AtomicFlowBatch, codes: Tensor, logits: Tensor, progress: float
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Total, unweighted cross-entropy and the parts of the total; see `learnable_codebook` for the objective."""
    assert net.soft_start is not None
    tau = temperature(net.config, net.soft_start, progress)
    cells, centres = scaled_cells(batch.flow, net.clip, net.scale), net.centres / net.scale
    assignment = soft_assignment(cells, centres, tau)
    targets = assignment.detach().movedim(-1, 2)
    weighted, unweighted = rebalanced_soft_cross_entropy(logits, targets, codes, batch.valid, net.class_weights)
    valid = batch.valid.flatten().to(cells.dtype)
    fit = fitness(cells.flatten(0, -2), valid, centres, assignment.flatten(0, -2))
    terms = net.config.codebook_alpha * fit.reconstruction + usage_weight(net.config, net.soft_start) * fit.usage
    parts = {
        "weighted": weighted,
        "reconstruction": fit.reconstruction,
        "usage": fit.usage,
        "perplexity": fit.perplexity(len(centres)),
        "temperature": torch.tensor(tau, device=logits.device),
    }
    return weighted + terms, unweighted, parts


def features(net: AtomicFlowNet, clip: Tensor, pool_grid: int) -> Tensor:
    """Embeddings (B, hidden · pool_grid²): the encoder's hidden maps, averaged over time and to a pool_grid² grid.

    clip (B, T, C_in, S, S), T >= 1, one flow step apart. Evaluation mode and gradients are the caller's choice.
    ValueError where the grid is finer than the code.
    """
    hidden_BTCss, _ = net.encoder(clip)
    return pool_clip(hidden_BTCss, pool_grid)


def _conv_bn_relu(channels: int, width: int, kernel: int, stride: int = 1, pooled: bool = False) -> list[nn.Module]:
    """Pooling stands before ReLU: the same values, a quarter of the work.

    He's initialisation keeps the scale of untrained features, whose batch norm has no statistics yet.
    """
    conv = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    pool: list[nn.Module] = [nn.MaxPool2d(2)] if pooled else []
    return [conv, nn.BatchNorm2d(width), *pool, nn.ReLU(inplace=True)]


def _channels_last(maps_NCHW: Tensor) -> Tensor:
    return maps_NCHW.contiguous(memory_format=torch.channels_last)


def _share(hits: Tensor, of: Tensor) -> Tensor:
    return (hits & of).sum() / of.sum().clamp(min=1)
