"""LSTM autoencoders and future predictors (Srivastava, Mansimov, Salakhutdinov, ICML 2015).

    frames ─► encoder ═(h, c of each layer)═╦═► decoder ─► the same frames, last first
                                            ╚═► decoder ─► the frames that follow

A conditional decoder also sees the frame before the one that it makes: the true one in training, its own at test. The
first step of every decoder has no input.

Shapes: B sequences, T frames, D values a frame, H units, L layers. Time comes first inside, batch first outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .lstm_start import expect_ink, start_orthogonal
from .peephole_lstm import WEIGHT_RANGE, PeepholeLSTM, State

if TYPE_CHECKING:
    from ..schemas.lstm_section import LSTMSection


@dataclass(frozen=True)
class SequenceBatch:
    """Frames (B, T, D) float32: the encoder's, then those to be predicted."""

    frames: Tensor

    def __post_init__(self) -> None:
        if self.frames.ndim != 3 or not self.frames.is_floating_point():
            raise ValueError(f"frames must be (B, T, D) floats, got {self.frames.dtype} {tuple(self.frames.shape)}")

    def to(self, device: torch.device | str) -> SequenceBatch:
        """The same batch on `device`."""
        return SequenceBatch(self.frames.to(device))


class Stack(nn.Module):
    """L layers; each reads the outputs of the one below, the lowest `inputs` values a frame, or nothing."""

    def __init__(self, inputs: int, config: LSTMSection) -> None:
        super().__init__()
        widths = [inputs] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(PeepholeLSTM(width, config.hidden, config.peephole) for width in widths)

    def forward(self, x_TBD: Tensor | None, states: list[State], steps: int) -> tuple[Tensor, list[State]]:
        """Outputs of the top layer (T, B, H) and the last states."""
        last: list[State] = []
        for layer, state in zip(self.layers, states, strict=True):
            x_TBD, after = layer(x_TBD, state, steps)
            last.append(after)
        assert x_TBD is not None
        return x_TBD, last

    def step(self, x: Tensor | None, states: list[State]) -> tuple[Tensor, list[State]]:
        """One step: the top layer's output (B, H) and the next states."""
        after = []
        for layer, state in zip(self.layers, states, strict=True):
            assert isinstance(layer, PeepholeLSTM)
            after.append(layer.step(x, state))
            x = after[-1][0]
        assert x is not None
        return x, after

    def zero_states(self, batch: int) -> list[State]:
        """The states before the first step."""
        return [layer.zero_state(batch) for layer in self.layers if isinstance(layer, PeepholeLSTM)]


class Decoder(nn.Module):
    """Runs on from the encoder's states; a linear layer makes each frame of the top output."""

    def __init__(self, values: int, conditional: bool, config: LSTMSection) -> None:
        super().__init__()
        self.conditional, self.bernoulli = conditional, config.output == "bernoulli"
        self.stack = Stack(values if conditional else 0, config)
        self.readout = nn.Linear(config.hidden, values)
        nn.init.uniform_(self.readout.weight, -WEIGHT_RANGE, WEIGHT_RANGE)
        nn.init.zeros_(self.readout.bias)

    def forward(
        self, states: list[State], steps: int, truth_TBD: Tensor | None = None, share: float | Tensor = 1.0
    ) -> Tensor:
        """Frames (T, B, D), before the sigmoid if they are Bernoulli.

        With `truth_TBD` a conditional decoder sees the true frame before in a `share` of its steps, drawn for each
        sequence and step by itself; without, its own. No gradient goes back through its own frames: what it made
        counts as given (scheduled sampling, Bengio et al., NeurIPS 2015).
        """
        if not self.conditional:
            return self._read(self.stack(None, states, steps)[0])
        if truth_TBD is not None and not isinstance(share, Tensor) and share == 1:
            shifted = torch.cat(
                [torch.zeros_like(truth_TBD[:1]), truth_TBD[: steps - 1]]
            )  # no input = an input of zeros
            return self._read(self.stack(shifted, states, steps)[0])
        return self._run(states, steps, truth_TBD, share)

    def outputs(self, states: list[State], steps: int) -> Tensor:
        """Outputs of the top layer (T, B, H), running freely for as long as is asked."""
        if not self.conditional:
            free: Tensor = self.stack(None, states, steps)[0]
            return free
        outputs: list[Tensor] = []
        for _ in range(steps):
            hidden, states = self.stack.step(self._shown(self._read(outputs[-1])) if outputs else None, states)
            outputs.append(hidden)
        return torch.stack(outputs)

    def _run(self, states: list[State], steps: int, truth_TBD: Tensor | None, share: float | Tensor) -> Tensor:
        frames: list[Tensor] = []
        for t in range(steps):
            x = self._shown(frames[-1].detach()) if frames else None
            if x is not None and truth_TBD is not None:
                told = torch.rand(len(x), 1, device=x.device) < share
                x = torch.where(told, truth_TBD[t - 1], x)
            hidden, states = self.stack.step(x, states)
            frames.append(self._read(hidden))
        return torch.stack(frames)

    def _read(self, hidden: Tensor) -> Tensor:
        frames: Tensor = self.readout(hidden)
        return frames.float() if hidden.dtype == torch.float32 else frames

    def _shown(self, frame: Tensor) -> Tensor:
        return torch.sigmoid(frame) if self.bernoulli else frame


class LSTMNet(nn.Module):
    """The encoder and its decoders."""

    def __init__(self, values: int, config: LSTMSection) -> None:
        super().__init__()
        self.config = config
        self.encoder = Stack(values, config)
        self.decoders = nn.ModuleDict(
            {name: Decoder(values, name in config.conditional, config) for name in config.decoders}
        )

    def forward(self, frames_BTD: Tensor, told: bool, share: float | Tensor = 1.0) -> dict[str, Tensor]:
        """What each decoder makes of the frames (B, T, D), in order of its targets: (B, T', D) before any sigmoid.

        `told`: conditional decoders see true frames, as in training, in a `share` of their steps. Where not, nothing
        after the encoder's frames is looked at.
        """
        states = self.encode(frames_BTD)
        made = {}
        for name, decoder in self.decoders.items():
            truth = targets_of(frames_BTD, name, self.config).movedim(1, 0) if told else None
            steps = self.config.future_frames if name == "future" else self.config.input_frames
            made[name] = decoder(states, steps, truth, share).movedim(0, 1)
        return made

    def future_outputs(self, states: list[State], steps: int) -> Tensor:
        """Outputs (T, B, H) of the future decoder's top layer, running freely from the encoder's states."""
        decoder = self.decoders["future"]
        assert isinstance(decoder, Decoder)
        return decoder.outputs(states, steps)

    def encode(self, frames_BTD: Tensor) -> list[State]:
        """States after the encoder's frames."""
        seen = frames_BTD[:, : self.config.input_frames].movedim(1, 0)
        states: list[State] = self.encoder(seen, self.encoder.zero_states(len(frames_BTD)), len(seen))[1]
        return states


def build(config: LSTMSection, values: int) -> LSTMNet:
    """A new network for frames of so many values; its weights follow from the state of torch's generator."""
    net = LSTMNet(values, config)
    if config.start == "orthogonal":
        start_orthogonal(net)
        for decoder in net.decoders.values():
            assert isinstance(decoder, Decoder)
            if decoder.bernoulli:
                expect_ink(decoder.readout)
    return net


def targets_of(frames_BTD: Tensor, decoder: str, config: LSTMSection) -> Tensor:
    """What a decoder is to make: (B, T', D). The reconstruction comes last frame first."""
    seen = config.input_frames
    if decoder == "reconstruction":
        return frames_BTD[:, :seen].flip(1)
    if frames_BTD.shape[1] < seen + config.future_frames:
        raise ValueError(f"{frames_BTD.shape[1]} frames, {seen} + {config.future_frames} are needed")
    return frames_BTD[:, seen : seen + config.future_frames]


def truth_share(config: LSTMSection, progress: float | Tensor) -> float | Tensor:
    """The share of steps in which conditional decoders are told the truth, at a part of the run in [0, 1]."""
    first, last = config.truth_share, config.truth_share_end
    if first == last:
        return first
    return first + (last - first) * torch.as_tensor(progress / config.truth_share_until).clamp(max=1)


def loss(
    net: LSTMNet | DistributedDataParallel, batch: SequenceBatch, progress: float | Tensor = 0.0
) -> dict[str, Tensor]:
    """Scalars of one batch, a frame each, summed over its values; only `loss` carries gradients.

    loss: the decoders' losses added up. reconstruction, future: each by itself, [nats] or half a squared error.
    floor: the loss of a perfect prediction (grey targets are not free), constant: that of the mean value; of the
    future, or of the reconstruction where that is all.
    In training mode conditional decoders are told the truth, or a share of it that follows the `progress` of the run;
    in evaluation mode they run freely.
    """
    core = net.module if isinstance(net, DistributedDataParallel) else net
    made = net(batch.frames, core.training, truth_share(core.config, progress))
    scalars = {
        name: frame_loss(frames, targets_of(batch.frames, name, core.config), core.config)
        for name, frames in made.items()
    }
    targets = targets_of(batch.frames, "future" if "future" in made else "reconstruction", core.config)
    return {
        "loss": torch.stack(list(scalars.values())).sum(),
        **{name: value.detach() for name, value in scalars.items()},
        "floor": perfect_loss(targets, core.config),
        "constant": constant_loss(targets, core.config),
    }


def frame_loss(made: Tensor, targets: Tensor, config: LSTMSection) -> Tensor:
    """Summed over the values of a frame, mean over frames and sequences; `made` before the sigmoid."""
    if config.output == "bernoulli":
        total = F.binary_cross_entropy_with_logits(made, targets, reduction="sum")
    else:
        total = F.mse_loss(made, targets, reduction="sum") / 2
    return total / targets[..., 0].numel()


def perfect_loss(targets: Tensor, config: LSTMSection) -> Tensor:
    """Loss of predicting the targets themselves: 0, or the entropy of grey pixels taken as probabilities."""
    if config.output == "gaussian":
        return targets.new_zeros(())
    # not by torch's binary cross-entropy, which mixed precision on a GPU refuses
    entropy: Tensor = torch.special.entr(targets) + torch.special.entr(1 - targets)
    return entropy.sum() / targets[..., 0].numel()


def constant_loss(targets: Tensor, config: LSTMSection) -> Tensor:
    """Loss of predicting the mean of all targets everywhere."""
    mean = targets.mean().expand_as(targets)
    return frame_loss(torch.logit(mean, 1e-6) if config.output == "bernoulli" else mean, targets, config)


def features(net: LSTMNet, clip: Tensor) -> Tensor:
    """Embeddings (B, H): the top layer's output after all frames of the clip (B, T, D)."""
    frames_TBD = clip.movedim(1, 0)
    outputs, _ = net.encoder(frames_TBD, net.encoder.zero_states(len(clip)), len(frames_TBD))
    last: Tensor = outputs[-1]
    return last
