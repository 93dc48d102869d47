"""The LSTM layer with peepholes of Graves 2013, as Srivastava, Mansimov and Salakhutdinov (ICML 2015) use it.

    i = σ(W_xi x + W_hi h + w_ci∘c + b_i)     f = σ(W_xf x + W_hf h + w_cf∘c + b_f)     a = tanh(W_xa x + W_ha h + b_a)
    c' = f∘c + i∘a                            o = σ(W_xo x + W_ho h + w_co∘c' + b_o)    h' = o∘tanh(c')

Shapes: T steps, B sequences, D inputs, H units. Gates stand in the order i, f, a, o.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""Output h and memory c, each (B, H)."""

WEIGHT_RANGE = 0.01
PEEPHOLE_RANGE = 0.1


class PeepholeLSTM(nn.Module):
    """One layer. With `inputs` = 0 it takes none: the layer runs on from its state.

    Weights start uniform in ±0.01, peepholes in ±0.1, biases at 0 (the released configurations). With `peephole` False
    the three peephole terms are left out. Products with the weights are in the autocast type where that is on; gates
    and memory stay in float32.
    """

    def __init__(self, inputs: int, hidden: int, peephole: bool = True) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_x = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-WEIGHT_RANGE, WEIGHT_RANGE))
        self.weight_h = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-WEIGHT_RANGE, WEIGHT_RANGE))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.peephole = nn.Parameter(torch.empty(3, hidden).uniform_(-PEEPHOLE_RANGE, PEEPHOLE_RANGE))
        self.plain = not peephole
        if self.plain:
            self.peephole = nn.Parameter(torch.zeros(3, hidden), requires_grad=False)

    def step(self, x: Tensor | None, state: State) -> State:
        """From input (B, D), or None, and state to the next state."""
        h, c = state
        gates = h @ self.weight_h.T + self.bias
        if x is not None:
            gates = gates + x @ self.weight_x.T
        i, f, a, o = gates.to(c.dtype).chunk(4, dim=1)
        w_i, w_f, w_o = self.peephole
        c_next = torch.sigmoid(f + w_f * c) * c + torch.sigmoid(i + w_i * c) * torch.tanh(a)
        return torch.sigmoid(o + w_o * c_next) * torch.tanh(c_next), c_next

    def forward(self, x_TBD: Tensor | None, state: State, steps: int) -> tuple[Tensor, State]:
        """All `steps` at once, where every input is known: outputs (T, B, H), and the last state.

        The same values as `step` one after the other; inputs are multiplied for all steps together, and so are the
        gradients of the weights.
        """
        if self.plain and x_TBD is not None:
            return self._by_torch(x_TBD, state)
        projected = state[0].new_zeros(0) if x_TBD is None else x_TBD @ self.weight_x.T
        device = state[0].device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        outputs, h, c = _Recurrence.apply(  # type: ignore[no-untyped-call]
            projected.to(self.bias.dtype), self.weight_h, self.bias, self.peephole, state[0], state[1], steps, dtype
        )
        return outputs, (h, c)

    def _by_torch(self, x_TBD: Tensor, state: State) -> tuple[Tensor, State]:
        """Without peepholes this is the layer that torch has, with its own order of gates: on a GPU that is cuDNN's."""
        weights = [self.weight_x, self.weight_h, self.bias, torch.zeros_like(self.bias)]
        dtype, (h, c) = state[1].dtype, (part[None].to(x_TBD.dtype) for part in state)
        outputs, h, c = torch.lstm(x_TBD, (h, c), weights, True, 1, 0.0, self.training, False, False)
        return outputs.to(dtype), (h[0].to(dtype), c[0].to(dtype))

    def zero_state(self, batch: int) -> State:
        """The state before the first step."""
        zeros = self.bias.new_zeros(batch, self.hidden)
        return zeros, zeros


class _Recurrence(torch.autograd.Function):
    """The recurrent part of all steps, with a backward pass that makes one product of all steps' weight gradients.

    Autograd would keep some fifteen tensors a step and add up T gradients of the size of weight_h; here a step keeps
    its gates, its memory and its output.
    """

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917  # autograd passes tensors one by one
        ctx: Any,
        projected: Tensor,
        weight_h: Tensor,
        bias: Tensor,
        peephole: Tensor,
        h: Tensor,
        c: Tensor,
        steps: int,
        dtype: torch.dtype | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        weight = weight_h if dtype is None else weight_h.to(dtype)
        batch, hidden = h.shape
        gates = h.new_empty(steps, batch, 4 * hidden)
        outputs, memory = h.new_empty(steps + 1, batch, hidden), h.new_empty(steps + 1, batch, hidden)
        outputs[0], memory[0] = h, c
        for t in range(steps):
            z = torch.addmm(bias, outputs[t], weight.T) if dtype is None else outputs[t].to(dtype) @ weight.T + bias
            if projected.numel():
                z += projected[t]
            gates[t] = z
            _activate(gates[t], memory[t], peephole, memory[t + 1], outputs[t + 1])
        ctx.save_for_backward(weight, peephole, gates, outputs, memory)
        ctx.has_input = projected.numel() > 0
        ctx.cast = dtype is not None
        return outputs[1:], outputs[-1].clone(), memory[-1].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_outputs, d_h, d_c = gradients
        weight, peephole, gates, outputs, memory = ctx.saved_tensors
        d_gates = torch.empty_like(gates)
        d_h, d_c = d_h.clone(), d_c.clone()
        for t in reversed(range(len(gates))):
            d_h += d_outputs[t]
            d_c = _gate_gradients(gates[t], memory[t], memory[t + 1], peephole, d_h, d_c, out=d_gates[t])
            d_h = (d_gates[t].to(weight.dtype) @ weight).to(d_h.dtype)
        flat = d_gates.flatten(0, 1)
        before, after = memory[:-1].flatten(0, 1), memory[1:].flatten(0, 1)
        d_i, d_f, _, d_o = flat.chunk(4, dim=1)
        d_peephole = torch.stack([(d_i * before).sum(0), (d_f * before).sum(0), (d_o * after).sum(0)])
        seen = outputs[:-1].flatten(0, 1).to(weight.dtype)
        d_weight = (flat.to(weight.dtype).T @ seen).to(flat.dtype)
        return (d_gates if ctx.has_input else None, d_weight, flat.sum(0), d_peephole, d_h, d_c, None, None)


def _activate(gates: Tensor, c: Tensor, peephole: Tensor, c_next: Tensor, h_next: Tensor) -> None:
    """Turn one step's sums (B, 4H) into its gates, in place, and write the next memory and output."""
    i, f, a, o = gates.chunk(4, dim=1)
    i.addcmul_(peephole[0], c).sigmoid_()
    f.addcmul_(peephole[1], c).sigmoid_()
    a.tanh_()
    torch.mul(f, c, out=c_next).addcmul_(i, a)
    o.addcmul_(peephole[2], c_next).sigmoid_()
    torch.tanh(c_next, out=h_next).mul_(o)


def _gate_gradients(
    gates: Tensor, c: Tensor, c_next: Tensor, peephole: Tensor, d_h: Tensor, d_c: Tensor, out: Tensor
) -> Tensor:
    """Gradients of one step's sums into `out` (B, 4H); returns the gradient of the memory before it."""
    i, f, a, o = gates.chunk(4, dim=1)
    d_i, d_f, d_a, d_o = out.chunk(4, dim=1)
    squashed = torch.tanh(c_next)
    torch.mul(d_h, squashed, out=d_o).mul_(o).mul_(1 - o)
    d_c = d_c + d_h * o * (1 - squashed * squashed)
    d_c.addcmul_(d_o, peephole[2])
    torch.mul(d_c, a, out=d_i).mul_(i).mul_(1 - i)
    torch.mul(d_c, c, out=d_f).mul_(f).mul_(1 - f)
    torch.mul(d_c, i, out=d_a).mul_(1 - a * a)
    return (d_c * f).addcmul_(d_i, peephole[0]).addcmul_(d_f, peephole[1])
