"""LSTM training steps and the generator that feeds them: one JSON line a figure.

Peers in the same run, interleaved: the peephole layer with all steps in one autograd function, the same cell as a loop
under autograd, and torch.nn.LSTM, which has no peepholes; forward and backward of T steps. Then a step of the composite
model beside the rate at which Moving MNIST is made. Times are process times of one thread, the best of several rounds.
On a GPU times are wall times, and sequences are drawn there.
"""

import json
import os
import time

import numpy as np
import torch
from motionpipe.models import lstm
from motionpipe.models.peephole_lstm import PeepholeLSTM
from motionpipe.pipeline.batches_lstm import DigitBatches
from motionpipe.pipeline.moving_mnist import SIDE, MovingMnist
from motionpipe.schemas.lstm_section import LSTMSection
from torch import nn

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
UNITS, BATCH = (2048, 80) if DEVICE.type == "cuda" else (256, 32)
STEPS, ROUNDS = 10, 7


def say(figure, value, unit, peer=None, peer_value=None):
    ratio = None if peer_value is None else round(value / peer_value, 3)
    line = {"figure": figure, "value": round(value, 3), "unit": unit, "peer": peer}
    line |= {"peer_value": None if peer_value is None else round(peer_value, 3), "ratio": ratio}
    print(json.dumps(line | {"command": "python benchmarks/bench_lstm.py", "device": str(DEVICE)}), flush=True)


def seconds_of(work):
    if DEVICE.type == "cpu":
        began = time.process_time()
        work()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def best_of(works):
    best = dict.fromkeys(works, float("inf"))
    for number in range(ROUNDS + 1):
        for name, work in works.items():
            took = seconds_of(work)
            if number:  # the first round warms up
                best[name] = min(best[name], took)
    return best


def bench_layer():
    torch.manual_seed(0)
    ours, torchs = PeepholeLSTM(UNITS, UNITS).to(DEVICE), nn.LSTM(UNITS, UNITS).to(DEVICE)
    x = torch.randn(STEPS, BATCH, UNITS, device=DEVICE)

    def fused():
        ours.zero_grad()
        ours(x, ours.zero_state(BATCH), STEPS)[0].square().mean().backward()

    def unrolled():
        ours.zero_grad()
        state, outputs = ours.zero_state(BATCH), []
        for frame in x:
            state = ours.step(frame, state)
            outputs.append(state[0])
        torch.stack(outputs).square().mean().backward()

    def library():
        torchs.zero_grad()
        torchs(x)[0].square().mean().backward()

    plain = PeepholeLSTM(UNITS, UNITS, peephole=False).to(DEVICE)

    def without_peepholes():
        plain.zero_grad()
        plain(x, plain.zero_state(BATCH), STEPS)[0].square().mean().backward()

    best = best_of({"fused": fused, "unrolled": unrolled, "library": library, "plain": without_peepholes})
    rate = {name: 1 / took for name, took in best.items()}
    size = f"{UNITS} units, {STEPS} steps, batch {BATCH}"
    say(f"peephole layer, {size}", rate["fused"], "passes/s", "the cell in a loop", rate["unrolled"])
    say(f"peephole layer, {size}", rate["fused"], "passes/s", "torch.nn.LSTM, no peepholes", rate["library"])
    say(f"layer without peepholes, {size}", rate["plain"], "passes/s", "torch.nn.LSTM", rate["library"])


def bench_training():
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (60_000, 28, 28), dtype=np.uint8)
    digits = DigitBatches.on(MovingMnist(images, "train", 0), DEVICE)
    net = lstm.build(LSTMSection(hidden=UNITS, layers=2 if DEVICE.type == "cuda" else 1), SIDE * SIDE).to(DEVICE)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)
    frames, place = digits.batch(0, BATCH).frames, iter(range(10**9))

    def step():
        optimiser.zero_grad()
        with torch.autocast(DEVICE.type, torch.bfloat16):
            loss = lstm.loss(net, lstm.SequenceBatch(frames))["loss"]
        loss.backward()
        optimiser.step()

    def make():
        start = next(place) * BATCH
        digits.batch(start, start + BATCH)

    best = best_of({"step": step, "make": make})
    trained, made = BATCH / best["step"], BATCH / best["make"]
    say("Moving MNIST made", made, "sequences/s", f"composite of {UNITS} units, bf16, trains", trained)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    bench_layer()
    bench_training()
