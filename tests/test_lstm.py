import itertools

import pytest
import torch
from motionpipe.models import lstm
from motionpipe.models.lstm import SequenceBatch, build, targets_of
from motionpipe.schemas.lstm_section import LSTMSection
from pydantic import ValidationError

VALUES = 6
VARIANTS = [
    LSTMSection(decoders=decoders, conditional=conditional, hidden=8, layers=layers, input_frames=4, future_frames=3)
    for decoders, layers in itertools.product((("reconstruction",), ("future",), ("reconstruction", "future")), (1, 2))
    for conditional in ((), decoders)
]
COMPOSITE = VARIANTS[-1]


def name_of(config):
    return f"{'+'.join(config.decoders)}-{'conditional' if config.conditional else 'plain'}-{config.layers}"


def frames(batch=3, steps=7, seed=0):
    return torch.rand(batch, steps, VALUES, generator=torch.Generator().manual_seed(seed))


def net_of(config, scale=20.0):
    torch.manual_seed(0)
    net = build(config, VALUES)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale)
    return net


@pytest.mark.parametrize("config", VARIANTS, ids=name_of)
def test_shapes(config):
    made = net_of(config)(frames(), told=True)
    expected = {"reconstruction": (3, 4, VALUES), "future": (3, 3, VALUES)}
    assert {name: tuple(part.shape) for name, part in made.items()} == {n: expected[n] for n in config.decoders}


@pytest.mark.parametrize("config", VARIANTS, ids=name_of)
def test_each_variant_overfits_one_batch(config):
    """Binary frames, so that the floor is 0."""
    torch.manual_seed(0)
    net = build(config.model_copy(update={"hidden": 32}), VALUES)
    batch = SequenceBatch((frames(batch=4) > 0.5).float())
    optimiser = torch.optim.Adam(net.parameters(), lr=0.03)
    first = lstm.loss(net, batch)["loss"].item()
    for _ in range(120):
        optimiser.zero_grad()
        lstm.loss(net, batch)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    assert float(lstm.loss(net, batch)["loss"]) < 0.1 * first


@pytest.mark.parametrize("config", VARIANTS, ids=name_of)
def test_running_freely_no_decoder_sees_a_future_frame(config):
    net, seen = net_of(config), frames()
    other = seen.clone()
    other[:, config.input_frames :] = frames(seed=1)[:, config.input_frames :]
    free, free_other = net(seen, told=False), net(other, told=False)
    for name in config.decoders:
        assert torch.equal(free[name], free_other[name])
    told, told_other = net(seen, told=True), net(other, told=True)
    if "future" in config.conditional:
        assert torch.equal(told["future"][:, 0], told_other["future"][:, 0])  # the first step has no input
        assert not torch.allclose(told["future"][:, 1], told_other["future"][:, 1])


def test_a_told_decoder_sees_the_frame_before_and_none_after():
    net, seen = net_of(COMPOSITE), frames()
    base = net(seen, told=True)
    for changed in range(3):
        other = seen.clone()
        other[:, 4 + changed] += 0.5
        made = net(other, told=True)["future"]
        same = [torch.equal(made[:, t], base["future"][:, t]) for t in range(3)]
        assert same == [t <= changed for t in range(3)]


def test_the_reconstruction_is_asked_for_last_frame_first():
    seen = frames()
    assert torch.equal(targets_of(seen, "reconstruction", COMPOSITE), seen[:, [3, 2, 1, 0]])
    assert torch.equal(targets_of(seen, "future", COMPOSITE), seen[:, 4:7])
    with pytest.raises(ValueError, match=r"6 frames, 4 \+ 3 are needed"):
        targets_of(seen[:, :6], "future", COMPOSITE)


def test_running_freely_is_being_told_ones_own_frames():
    net, seen = net_of(COMPOSITE), frames()
    free = net(seen, told=False)["future"]
    own = torch.cat([seen[:, :4], torch.sigmoid(free)], dim=1)
    torch.testing.assert_close(net(own, told=True)["future"], free)


def test_a_share_of_truth_lies_between():
    seen = frames(batch=64)
    net = net_of(COMPOSITE)
    told, mixed, own = (net(seen, told=True, share=share)["future"][:, 1] for share in (1.0, torch.tensor(0.5), 0.0))
    assert torch.allclose(own, net(seen, told=False)["future"][:, 1], atol=1e-6)
    is_own = torch.isclose(mixed, own).all(dim=1)
    is_told = torch.isclose(mixed, told).all(dim=1)
    assert (is_own | is_told).all()
    assert 16 < is_own.sum() < 48


def test_own_frames_are_given():
    net = net_of(COMPOSITE)
    second = net(frames(), told=True, share=0.0)["future"][:, 1]
    bias = net.decoders["future"].readout.bias
    (slope,) = torch.autograd.grad(second.sum(), bias)
    torch.testing.assert_close(slope, torch.full_like(bias, len(second)))


def test_the_share_of_truth_follows_the_run():
    config = COMPOSITE.model_copy(update={"truth_share": 1.0, "truth_share_end": 0.5})
    assert [lstm.truth_share(config, part) for part in (0.0, 0.5, 1.0)] == [1.0, 0.75, 0.5]
    assert lstm.truth_share(COMPOSITE, 0.3) == 1.0
    sooner = config.model_copy(update={"truth_share_until": 0.5})
    assert [lstm.truth_share(sooner, part) for part in (0.0, 0.25, torch.tensor(0.5), 0.75)] == [1.0, 0.75, 0.5, 0.5]
    net, batch = net_of(config.model_copy(update={"truth_share": 0.0, "truth_share_end": 1.0})), SequenceBatch(frames())
    own, told = (lstm.loss(net, batch, progress)["future"] for progress in (0.0, 1.0))
    assert torch.isclose(own, lstm.loss(net.eval(), batch)["future"])
    assert not torch.isclose(own, told)


def test_losses_are_nats_a_frame():
    net = net_of(COMPOSITE, scale=0.0)  # all logits 0: every pixel costs log 2
    values = lstm.loss(net, SequenceBatch(frames()))
    nats = VALUES * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(values["future"], nats)
    torch.testing.assert_close(values["loss"], 2 * nats)
    torch.testing.assert_close(values["reconstruction"], nats)
    z = frames()[:, 4:].double()
    entropy = -(z * z.log() + (1 - z) * (1 - z).log()).sum() / 9
    torch.testing.assert_close(values["floor"].double(), entropy, rtol=1e-5, atol=1e-5)
    p = z.mean()
    constant = -(z * p.log() + (1 - z) * (1 - p).log()).sum() / 9
    torch.testing.assert_close(values["constant"].double(), constant, rtol=1e-5, atol=1e-5)


def test_patches_cost_half_their_squared_error():
    config = COMPOSITE.model_copy(update={"output": "gaussian"})
    values = lstm.loss(net_of(config, scale=0.0), SequenceBatch(frames()))
    torch.testing.assert_close(values["future"], frames()[:, 4:].square().sum() / 18)
    assert values["floor"] == 0
    z = frames()[:, 4:]
    torch.testing.assert_close(values["constant"], (z - z.mean()).square().sum() / 18)


def test_parameter_counts_of_the_paper():
    with torch.device("meta"):
        net = build(LSTMSection(layers=1), 4096)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in net.decoders.items()}
    assert sum(p.numel() for p in net.encoder.parameters()) == 50_345_984
    assert counts["future"] == pytest.approx(58.7e6, rel=2e-3)  # conditional, with its readout
    assert counts["reconstruction"] == pytest.approx(25.2e6, rel=4e-3)


def test_features_are_the_last_output_of_the_top_layer():
    net, clip = net_of(COMPOSITE), frames()[:, :4]
    assert torch.equal(lstm.features(net, clip), net.encode(clip)[-1][0])


def test_a_section_that_cannot_be():
    with pytest.raises(ValidationError, match="conditional names future, decoders are reconstruction"):
        LSTMSection(decoders=("reconstruction",))
    with pytest.raises(ValidationError, match="each once"):
        LSTMSection(decoders=(), conditional=())
