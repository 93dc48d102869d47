import dataclasses
import io

import numpy as np
import pytest
import torch
from motionpipe.models.atomic_flow import AtomicFlowBatch, build, codebook_of, features, loss
from motionpipe.models.codebook import encode
from motionpipe.models.rebalance import class_weights
from motionpipe.schemas.atomic_flow import AtomicFlowSection
from motionpipe.schemas.codebook import Codebook, SoftStart
from pydantic import ValidationError

REFERENCE = AtomicFlowSection(
    modality="depth",
    crop=224,
    frame_short_side=240,
    widths=(64, 128, 256, 512, 512),
    hidden=64,
    deconv_widths=(256, 128, 64),
)
TINY = AtomicFlowSection(
    modality="depth",
    crop=32,
    frame_short_side=32,
    widths=(4, 8, 8, 16, 16),
    hidden=8,
    deconv_widths=(8, 8),
    steps=3,
)


def codebook(size=6, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.1, 0.1, (size, 3)).astype(np.float32)
    centres[0] = 0
    counts = np.array([1000, *rng.integers(1, 60, size - 1)])
    return Codebook(centres, counts, np.full(3, 0.15, np.float32))


def random_batch(config, clips=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    grid = config.crop // config.cell
    return AtomicFlowBatch(
        torch.randn(clips, 2, 2, config.crop, config.crop, generator=generator),
        torch.randn(clips, config.steps, 3, grid, grid, generator=generator) * 0.05,
        torch.rand(clips, config.steps, grid, grid, generator=generator) > 0.3,
    )


def net_of(config, seed=0, book=None):
    torch.manual_seed(seed)
    return build(config, book or codebook())


def warmed_up(config=TINY):
    """A network in evaluation mode whose batch norm has seen data."""
    net = net_of(config)
    with torch.no_grad():
        for seed in range(30):
            net(random_batch(config, 4, seed).frames, config.steps)
    return net.eval()


def test_reference_configuration_has_the_sizes_of_the_paper():
    with torch.device("meta"):
        net = build(REFERENCE, codebook(64)).to("meta")
        frames = torch.empty(1, 2, 2, 224, 224)
        hidden, (h, c) = net.encoder(frames)
        logits = net(frames, 8)
    assert hidden.shape == (1, 2, 64, 7, 7)
    assert h.shape == c.shape == (1, 64, 7, 7)
    assert logits.shape == (1, 8, 64, 56, 56)
    convolutions = [m for m in net.encoder.conv.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6 + [64]
    assert [m.stride[0] for m in convolutions] == [1] * 10 + [2] + [1] * 3
    conv_weights = 9 * (2 * 64 + 64**2 + 64 * 128 + 128**2 + 128 * 256 + 2 * 256**2 + 256 * 512 + 5 * 512**2) + 512 * 64
    batch_norm = 2 * (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512 + 64)
    assert sum(p.numel() for p in net.encoder.conv.parameters()) == conv_weights + batch_norm
    assert sum(p.numel() for p in net.encoder.lstm.parameters()) == 9 * 128 * 256 + 256
    assert sum(p.numel() for p in net.decoder.lstm.parameters()) == 9 * 64 * 256 + 256


@pytest.mark.parametrize(("modality", "channels"), [("depth", 2), ("rgb", 3), ("rgbd", 5)])
def test_small_configuration_reaches_its_grid_for_every_modality(modality, channels):
    config = AtomicFlowSection(modality=modality)
    net = net_of(config).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 2, channels, 112, 112), 1).shape == (1, 1, 6, 28, 28)
        assert net.encoder(torch.zeros(1, 1, channels, 112, 112))[0].shape == (1, 1, 32, 7, 7)


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        ({"crop": 224, "cell": 4, "deconv_widths": (4, 4, 4)}, 7),
        ({"crop": 224, "cell": 4, "deconv_widths": (4, 4)}, 14),
        ({"crop": 112, "cell": 4, "deconv_widths": (4, 4)}, 7),
        ({"crop": 64, "cell": 4, "deconv_widths": (4, 4)}, 4),
        ({"crop": 64, "cell": 16, "deconv_widths": ()}, 4),
    ],
)
def test_code_side_follows_from_the_sizes(sizes, code):
    assert AtomicFlowSection(modality="depth", **sizes).code_side == code


@pytest.mark.parametrize(
    "sizes",
    [
        {"crop": 112, "cell": 4, "deconv_widths": (4,)},
        {"crop": 112, "cell": 4, "deconv_widths": (4, 4, 4)},
        {"crop": 112, "cell": 4, "deconv_widths": (4,) * 9},
        {"crop": 40, "cell": 4, "deconv_widths": (4, 4)},
        {"crop": 112, "cell": 5, "deconv_widths": (4, 4)},
    ],
)
def test_sizes_that_do_not_meet_are_refused(sizes):
    with pytest.raises(ValidationError, match="crop"):
        AtomicFlowSection(modality="depth", **sizes)


@pytest.mark.parametrize("feedback", [False, True])
def test_first_three_of_eight_steps_equal_a_run_of_three(feedback):
    net = warmed_up(TINY.model_copy(update={"feedback": feedback}))
    frames = random_batch(TINY).frames
    with torch.no_grad():
        torch.testing.assert_close(net(frames, 8)[:, :3], net(frames, 3))


def test_steps_differ_from_each_other():
    net = warmed_up()
    with torch.no_grad():
        logits = net(random_batch(TINY).frames, 3)
    assert (logits[:, 0] - logits[:, 2]).abs().max() > 1e-3


def test_order_of_the_frames_matters_and_clips_do_not_mix():
    net = warmed_up()
    frames = random_batch(TINY).frames
    with torch.no_grad():
        logits, swapped, alone = net(frames, 2), net(frames.flip(1), 2), net(frames[1:], 2)
    assert (logits - swapped).abs().max() > 1e-3
    torch.testing.assert_close(logits[1:], alone)


def test_invalid_cells_change_neither_the_loss_nor_the_gradients():
    batch = random_batch(TINY)
    spoiled = dataclasses.replace(batch, flow=torch.where(batch.valid[:, :, None], batch.flow, 0.1))
    results = []
    for each in (batch, spoiled):
        net = net_of(TINY)
        figures = loss(net, each)
        figures["loss"].backward()
        results.append([figures, [p.grad for p in net.parameters()]])
    assert all(gradient is not None for gradient in results[0][1])
    for name, value in results[0][0].items():
        assert torch.equal(value, results[1][0][name]), name
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_figures_of_a_network_that_always_answers_zero_motion():
    net = net_of(TINY).eval()
    with torch.no_grad():
        net.decoder.deconv[-1].weight.zero_()
        net.decoder.deconv[-1].bias.copy_(torch.tensor([10.0, 0, 0, 0, 0, 0]))
    batch = random_batch(TINY)
    static = (encode(batch.flow, net.centres, net.clip, net.scale) == 0)[batch.valid].float().mean()
    figures = loss(net, batch)
    assert figures["accuracy"].item() == pytest.approx(static.item())
    assert 0 < static < 1
    assert figures["moving_accuracy"].item() == 0
    assert [name for name, value in figures.items() if value.requires_grad] == ["loss"]
    only_moving = loss(net, dataclasses.replace(batch, flow=torch.full_like(batch.flow, 0.1)))
    assert only_moving["accuracy"] == only_moving["moving_accuracy"] == 0


def moving_squares(clips=4, crop=32, steps=3):
    """A 12 px square on a far wall moves one cell (4 px) a step, right or left; each cell's flow is its codeword."""
    depth = torch.zeros(clips, 2, crop, crop)
    flow = torch.zeros(clips, steps, 3, crop // 4, crop // 4)
    for clip in range(clips):
        direction, row, left = (1 if clip % 2 else -1), 4 * (1 + clip), 12
        for t in range(2 + steps):
            x = left + 4 * direction * (t - 1)
            if t < 2:
                depth[clip, t, row : row + 12, x : x + 12] = -0.3
            else:
                flow[clip, t - 2, 0, row // 4 : row // 4 + 3, max(x // 4, 0) : x // 4 + 3] = 0.05 * direction
    frames = torch.stack((depth, torch.ones_like(depth)), dim=2)
    return AtomicFlowBatch(frames, flow, torch.ones(clips, steps, crop // 4, crop // 4, dtype=torch.bool))


def test_one_batch_of_moving_squares_is_learned_by_heart():
    book = Codebook(
        np.array([[0, 0, 0], [0.05, 0, 0], [-0.05, 0, 0]], np.float32),
        np.array([80, 10, 10]),
        np.full(3, 0.1, np.float32),
    )
    config = TINY.model_copy(update={"widths": (8, 8, 16, 16, 16), "hidden": 16, "deconv_widths": (16, 16)})
    net, batch = net_of(config, book=book), moving_squares()
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    first = loss(net, batch)["loss"].item()
    for _ in range(120):
        optimiser.zero_grad()
        figures = loss(net, batch)
        figures["loss"].backward()
        optimiser.step()
    assert first > 0.5
    assert figures["loss"] < 0.1
    assert figures["accuracy"] > 0.95
    assert figures["moving_accuracy"] > 0.95


def test_checkpoint_carries_the_codebook_and_reloads_safely():
    book = codebook()
    net, other = net_of(TINY, book=book), net_of(TINY, seed=1, book=codebook(seed=9))
    stream = io.BytesIO()
    torch.save(net.state_dict(), stream)
    stream.seek(0)
    other.load_state_dict(torch.load(stream, weights_only=True))
    np.testing.assert_array_equal(other.centres, book.centres)
    np.testing.assert_array_equal(other.clip, book.clip)
    np.testing.assert_allclose(other.prior, book.prior(), rtol=1e-6)
    torch.testing.assert_close(other.class_weights, class_weights(torch.from_numpy(book.prior()), 0.5).float())
    frames = random_batch(TINY).frames
    with torch.no_grad():
        assert torch.equal(net.eval()(frames, 2), other.eval()(frames, 2))


def test_network_does_not_share_memory_with_the_codebook():
    book = codebook()
    net = net_of(TINY, book=book)
    net.start_centres.fill_(7)
    assert not (book.centres == 7).any()


def learnable_codebook():
    return dataclasses.replace(
        codebook(), kind="learnable", scale=np.full(3, 0.05, np.float32), soft_start=SoftStart(0.4, 0.2, 0.5)
    )


def test_soft_targets_change_the_loss_and_not_what_counts_as_right():
    batch = random_batch(TINY)
    hard, soft = (loss(net_of(TINY.model_copy(update={"target": t})), batch) for t in ("hard", "soft"))
    assert hard["accuracy"] == soft["accuracy"]
    assert hard["loss"] != soft["loss"]
    narrow = dataclasses.replace(codebook(), scale=np.full(3, 1e-4, np.float32))  # all weight on the nearest
    sharp = loss(net_of(TINY.model_copy(update={"target": "soft"}), book=narrow), batch)
    torch.testing.assert_close(sharp["loss"], hard["loss"])


def test_a_planar_codebook_trains_on_scene_flow():
    full = codebook()
    planar = Codebook(full.centres[:, :2].copy(), full.counts, full.clip[:2], planar=True)
    batch = random_batch(TINY)
    other = dataclasses.replace(batch, flow=batch.flow * torch.tensor([1.0, 1, 9])[:, None, None])
    assert loss(net_of(TINY, book=planar), batch)["loss"] == loss(net_of(TINY, book=planar), other)["loss"]


def test_a_learnable_codebook_adds_its_terms():
    net, batch = net_of(TINY, book=learnable_codebook()), random_batch(TINY)
    figures = loss(net, batch, 0.0)
    beta = 0.1 * 0.2 / 0.5
    expected = figures["weighted"] + figures["reconstruction"] + beta * figures["usage"]
    torch.testing.assert_close(figures["loss"].detach(), expected)
    assert figures["temperature"].item() == pytest.approx(0.4)
    assert loss(net, batch)["temperature"].item() == pytest.approx(0.4 * 0.05)
    assert 1 <= figures["perplexity"].item() <= 6
    figures["loss"].backward()
    assert net.offsets.grad.abs().max() > 0


@pytest.mark.parametrize("target", ["hard", "soft", "learnable"])
def test_under_autocast_targets_and_losses_are_float32(target):
    learns = target == "learnable"
    config = TINY if learns else TINY.model_copy(update={"target": target})
    net, batch = net_of(config, book=learnable_codebook() if learns else codebook()), random_batch(TINY)
    logits = net(batch.frames, batch.flow.shape[1]).detach().bfloat16()
    net.forward = lambda frames, steps: logits  # what the network says, so that only the losses can differ
    plain = loss(net, batch, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(net, batch, 1.0)
    assert mixed["loss"].dtype == torch.float32
    assert all(torch.equal(plain[name], mixed[name]) for name in plain)


def test_the_cross_entropy_does_not_move_the_centres():
    config = TINY.model_copy(update={"codebook_alpha": 0.0})
    net = net_of(config, book=learnable_codebook())
    loss(net, random_batch(TINY))["loss"].backward()
    assert not net.offsets.grad.any()
    assert net.decoder.deconv[-1].weight.grad.any()


def test_learned_centres_come_back_from_the_checkpoint_and_zero_stays():
    net = net_of(TINY, book=learnable_codebook())
    with torch.no_grad():
        net.offsets.normal_()
    book = codebook_of(net.state_dict())
    assert book.kind == "learnable"
    assert not book.centres[0].any()
    np.testing.assert_allclose(book.centres, net.centres.detach(), atol=1e-7)
    again = build(TINY, book)
    again.load_state_dict(net.state_dict())
    torch.testing.assert_close(again.centres, net.centres)
    assert codebook_of(net_of(TINY).state_dict()).kind == "kmeans"


def test_same_seed_same_weights_other_seed_other_weights():
    a, b, c = (net_of(TINY, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["encoder.conv.0.weight"], c["encoder.conv.0.weight"])


def test_untrained_features_keep_a_useful_scale():
    net = net_of(TINY).eval()
    with torch.no_grad():
        spread = features(net, random_batch(TINY, 8).frames, 1).std(dim=0)
    assert spread.max() > 1e-3


@pytest.mark.parametrize(("frames", "pool_grid"), [(1, 1), (2, 1), (8, 2)])
def test_features_are_the_mean_hidden_map_on_the_grid(frames, pool_grid):
    net = warmed_up()
    clip = torch.randn(3, frames, 2, 32, 32)
    with torch.no_grad():
        embedding = features(net, clip, pool_grid)
        hidden, _ = net.encoder(clip)
    assert embedding.shape == (3, 8 * pool_grid**2)
    assert hidden.shape == (3, frames, 8, 2, 2)
    mean = hidden.mean(dim=1)
    expected = mean.mean(dim=(2, 3)) if pool_grid == 1 else mean.flatten(1)
    torch.testing.assert_close(embedding, expected)


def test_pool_grid_finer_than_the_code_is_refused():
    with pytest.raises(ValueError, match="2x2 code"):
        features(warmed_up(), torch.zeros(1, 1, 2, 32, 32), 3)


def test_batch_checks_its_shapes_and_moves_as_a_whole():
    batch = random_batch(TINY)
    moved = batch.to("meta")
    assert {moved.frames.device.type, moved.flow.device.type, moved.valid.device.type} == {"meta"}
    with pytest.raises(ValueError, match="valid"):
        dataclasses.replace(batch, valid=batch.valid[:, :1])
    with pytest.raises(ValueError, match="clips"):
        dataclasses.replace(batch, frames=batch.frames[:1])
