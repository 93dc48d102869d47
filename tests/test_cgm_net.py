import pytest
import torch
from motionpipe.models.cgm_net import CgmNet, CgmNetBatch, CgmNetScorer, build, features, fuse, loss, scores
from motionpipe.models.reconstruction import area_downsample, charbonnier
from motionpipe.schemas.cgm_net import CgmNetSection

SIZES = {
    "backbone_width": 8,
    "decoder_widths": (16, 16, 16, 16),
    "motion_channels": 16,
    "action_widths": (4, 4, 4, 4, 4, 8),
}
TINY = CgmNetSection(clip_frames=4, crop=32, **SIZES)


def tiny(**fields):
    return CgmNetSection(**(TINY.model_dump() | fields))


def moving_squares(clips=2, frames=5, side=32, labels=None):
    """Textured squares of 12 px on a dark ground; the first moves right, the second down, 1 px a frame."""
    generator = torch.Generator().manual_seed(0)
    video = torch.full((clips, frames, 3, side, side), -0.8)
    for clip in range(clips):
        texture = torch.rand(3, 12, 12, generator=generator) * 1.8 - 0.9
        right, down = (1, 0) if clip % 2 == 0 else (0, 1)
        for t in range(frames):
            y, x = 8 + down * t, 8 + right * t
            video[clip, t, :, y : y + 12, x : x + 12] = texture
    return batch_of(video, None if labels is None else torch.tensor(labels))


def batch_of(frames, labels=None):
    clips, steps = frames.shape[0], frames.shape[1] - 1
    labels = torch.full((clips,), -1) if labels is None else labels
    return CgmNetBatch(frames, labels, torch.ones(clips, steps, dtype=torch.bool))


def copying(frames):
    """What predicting every frame as the one before it costs."""
    return charbonnier(frames[:, :-1], frames[:, 1:], torch.ones(frames.shape[0], frames.shape[1] - 1))


def net_of(config, classes=None, seed=0):
    torch.manual_seed(seed)
    return build(config, classes)


VARIANTS = [
    {},
    {"scale": 1},
    {"scale": 2},
    {"scale": 8},
    {"scale": 16},
    {"upsampling": "nearest"},
    {"upsampling": "bilinear"},
    {"backbone": "slowfast-small"},
    {"kernel_lr": 5, "kernel_hr": 7},
    {"clip_frames": 3, "crop": 40},
]


@pytest.mark.parametrize("fields", VARIANTS, ids=str)
def test_every_variant_starts_by_copying_the_last_frame(fields):
    config = tiny(**fields)
    net, batch = net_of(config), moving_squares(frames=config.clip_frames + 1, side=config.crop)
    with torch.no_grad():
        out = loss(net, batch)
        maps = net(batch.frames[:, :-1])
    clips, steps, side, small = 2, config.clip_frames, config.crop, config.crop // config.scale
    assert maps.lr.shape == (clips, config.taps_lr, steps, small, small)
    assert maps.hr.shape == (clips, config.taps_hr, steps, side, side)
    assert torch.equal(out["hr"], copying(batch.frames))
    assert torch.equal(out["copy"], out["hr"])
    assert torch.equal(out["next"], copying(batch.frames[:, -2:]))
    if config.scale > 1:
        reduced = area_downsample(batch.frames, config.scale)
        assert torch.equal(out["lr"], copying(reduced))
        torch.testing.assert_close(out["loss"], out["hr"] + out["lr"])
    else:
        assert "lr" not in out
        assert torch.equal(out["loss"], out["hr"])


def test_frames_of_another_size_and_clips_of_another_length_have_maps_too():
    net = net_of(TINY).eval()
    maps = net(torch.zeros(1, 3, 3, 24, 40))
    assert maps.lr.shape == (1, 9, 3, 6, 10)
    assert maps.hr.shape == (1, 25, 3, 24, 40)
    with pytest.raises(ValueError, match="24x42 frames: sides must be multiples of scale = 4"):
        net(torch.zeros(1, 3, 3, 24, 42))


def test_the_encoder_does_not_see_the_frame_after_the_clip():
    net, batch = net_of(TINY), moving_squares()
    for parameter in (net.decoder.head.conv.weight, net.upsampling.head.conv.weight):
        torch.nn.init.normal_(parameter, std=1)
    other = batch_of(torch.cat((batch.frames[:, :-1], -batch.frames[:, -1:]), dim=1))
    seen = []
    net.register_forward_hook(lambda module, args, out: seen.append((args[0], out.hr)))
    one, two = loss(net, batch), loss(net, other)
    assert torch.equal(seen[0][0], batch.frames[:, :4])
    assert torch.equal(seen[0][1], seen[1][1])
    assert one["next"] != two["next"]


def test_a_tiny_batch_is_learned_far_beyond_copying():
    net, batch = net_of(tiny(clip_frames=2, crop=24, backbone_width=4)), moving_squares(frames=3, side=24)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(30):
        out = loss(net, batch)
        optimiser.zero_grad()
        out["loss"].backward()
        optimiser.step()
    out = loss(net, batch)
    assert out["hr"] < 0.4 * out["copy"]
    assert out["next"] < 0.4 * out["copy"]


def test_what_has_no_weight_is_neither_computed_nor_touched():
    net, batch = net_of(tiny(lambda_class=10.0, lambda_hr=0.0, pipeline="lr"), 3), moving_squares(labels=[0, 2])
    out = loss(net, batch)
    out["loss"].backward()
    assert {"lr", "lr_copy", "class"} <= set(out)
    assert "hr" not in out
    assert out["lr"] == out["lr_copy"]  # maps begin as the identity
    assert all(p.grad is None for module in (net.context, net.upsampling) for p in module.parameters())


@pytest.mark.parametrize(
    "fields",
    [{}, {"upsampling": "bilinear"}, {"scale": 1, "pipeline": "hr"}, {"lateral": True, "slope": 0.1}],
    ids=str,
)
def test_every_parameter_learns(fields):
    config = tiny(lambda_class=10.0, **fields)
    net, batch = net_of(config, 3), moving_squares(labels=[0, 2])
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    for _ in range(2):  # convolutions that start at zero pass gradients on from the second step
        optimiser.zero_grad()
        loss(net, batch)["loss"].backward()
        optimiser.step()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_loss_is_equation_7():
    net, batch = net_of(tiny(lambda_lr=0.5, lambda_class=10.0), 3), moving_squares(labels=[0, 2])
    out = loss(net.eval(), batch)
    torch.testing.assert_close(out["loss"].detach(), out["hr"] + 0.5 * out["lr"] + 10 * out["class"])
    assert [name for name, value in out.items() if value.requires_grad] == ["loss"]


def test_without_synthesis_only_the_classes_are_learned():
    config = tiny(lambda_hr=0.0, lambda_lr=0.0, lambda_class=10.0, pipeline="backbone")
    net, batch, ran = net_of(config, 3), moving_squares(labels=[0, 2]), []
    net.decoder.register_forward_hook(lambda module, args, out: ran.append("decoder"))
    out = loss(net, batch)
    assert out.keys() == {"loss", "class", "accuracy"}
    torch.testing.assert_close(out["loss"].detach(), 10 * out["class"])
    assert ran == []
    out["loss"].backward()
    assert net.decoder.motion.weight.grad is None


def test_dropout_acts_on_whole_features_in_training_alone():
    torch.manual_seed(0)
    net, clip = build(tiny(lambda_class=10.0), 3, dropout=0.5), moving_squares().frames[:, :-1]
    maps = net(clip)
    dropped = (net.dropout(maps.features).flatten(2) == 0).all(dim=2)
    assert 0.2 < dropped.float().mean() < 0.8
    with torch.no_grad():
        assert torch.equal(net.eval().classify(maps)[0], net.encoder.classify(maps.features))
    assert net.actions["hr"].dropout.p == net.actions["lr"].dropout.p == 0.5


def test_features_may_keep_a_coarse_place():
    net, clip = net_of(tiny(crop=64)).eval(), torch.rand(2, 4, 3, 64, 64)
    with torch.no_grad():
        whole, grid = features(net, clip), features(net, clip, pool_grid=2)
    assert grid.shape == (2, 4 * whole.shape[1])
    torch.testing.assert_close(grid.view(2, -1, 4).mean(dim=2), whole)
    with pytest.raises(ValueError, match="pool_grid 3 is finer than the 2x2 code"):
        features(net, clip, pool_grid=3)


def test_a_scorer_gives_the_logarithms_of_averaged_probabilities():
    net, clip = net_of(tiny(lambda_class=10.0), 3).eval(), moving_squares().frames[:, :-1]
    with torch.no_grad():
        torch.testing.assert_close(CgmNetScorer(net)(clip).exp(), scores(net, clip))


def test_the_encoder_keeps_float32_on_a_cpu_under_mixed_precision():
    net, batch = net_of(TINY), moving_squares()
    with torch.autocast("cpu", torch.bfloat16):
        maps = net(batch.frames[:, :-1])
    assert maps.features.dtype == maps.hr.dtype == torch.float32


def test_clips_without_label_take_no_part_in_the_classification():
    net = net_of(tiny(lambda_class=10.0), 3).eval()
    batch = moving_squares(labels=[1, -1])
    probabilities = net.classify(net(batch.frames[:, :-1]))
    expected = torch.stack([-torch.log_softmax(one, dim=1)[0, 1] for one in probabilities]).mean()
    torch.testing.assert_close(loss(net, batch)["class"], expected.detach())
    none = loss(net, moving_squares(labels=[-1, -1]))
    assert none["class"] == none["accuracy"] == 0
    none["loss"].backward()


@pytest.mark.parametrize(("pipeline", "heads"), [("backbone", 1), ("lr", 2), ("hr", 2), ("lr+hr", 3)])
def test_scores_are_averaged_over_what_the_pipeline_names(pipeline, heads):
    net, batch = net_of(tiny(lambda_class=10.0, pipeline=pipeline), 3).eval(), moving_squares()
    clip = batch.frames[:, :-1]
    with torch.no_grad():
        separate, fused = net.classify(net(clip)), scores(net, clip)
    assert len(separate) == heads
    torch.testing.assert_close(fused, fuse(separate))
    torch.testing.assert_close(fused, torch.stack([torch.softmax(one, 1) for one in separate]).mean(0))
    torch.testing.assert_close(fused.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize(
    ("pipeline", "modules"),
    [
        ("backbone", ["encoder"]),
        ("lr", ["encoder", "decoder"]),
        ("hr", ["encoder", "decoder", "context", "upsampling"]),
    ],
)
def test_scoring_computes_only_what_the_pipeline_needs(pipeline, modules):
    net, ran = net_of(tiny(lambda_class=10.0, pipeline=pipeline), 3).eval(), []
    for name, module in (*net.named_children(), ("encoder", net.encoder.layer4)):
        module.register_forward_hook(lambda module, args, out, name=name: ran.append(name))
    with torch.no_grad():
        scores(net, torch.zeros(1, 4, 3, 32, 32))
    assert ran == [*modules, "dropout"]


@pytest.mark.parametrize(("backbone", "width"), [("resnet18", 8), ("resnet50", 32), ("slowfast-small", 36)])
def test_features_are_one_row_a_clip_and_do_not_depend_on_the_others(backbone, width):
    net, batch = net_of(tiny(backbone=backbone)).eval(), moving_squares()
    with torch.no_grad():
        both, alone = features(net, batch.frames[:, :-1]), features(net, batch.frames[1:, :-1])
    assert both.shape == (2, width * 8)
    torch.testing.assert_close(both[1:], alone)


def test_networks_classify_if_and_only_if_the_loss_does():
    with pytest.raises(ValueError, match="both or neither"):
        build(TINY, 3)
    with pytest.raises(ValueError, match="both or neither"):
        build(tiny(lambda_class=1.0))
    assert not any("fc" in name or "actions" in name for name in net_of(TINY).state_dict())


def test_the_same_seed_gives_the_same_weights():
    one, other = net_of(TINY), net_of(TINY)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    assert not torch.equal(one.encoder.conv1.weight, net_of(TINY, seed=1).encoder.conv1.weight)


def test_mixed_precision_predicts_from_float32_filters():
    net, batch = net_of(TINY), moving_squares()
    with torch.autocast("cpu", torch.bfloat16):
        maps = net(batch.frames[:, :-1])
        out = loss(net, batch)
    assert isinstance(net, CgmNet)
    assert maps.lr.dtype == maps.hr.dtype == torch.float32
    assert torch.equal(out["hr"], out["copy"])
    out["loss"].backward()


def test_what_does_not_follow_is_not_to_be_predicted():
    net, batch = net_of(TINY), moving_squares()
    frames, follows = batch.frames.clone(), batch.follows.clone()
    frames[0, 3:], follows[0, 2] = 1, False  # the first clip jumps to white, and stays so
    out = loss(net, CgmNetBatch(frames, batch.labels, follows))
    counted = torch.cat(
        [copying(frames[i : i + 1, j : j + 2])[None] for i in (0, 1) for j in range(4) if (i, j) != (0, 2)]
    )
    torch.testing.assert_close(out["hr"], counted.mean())
    assert out["hr"] < loss(net, batch_of(frames))["hr"]
    nothing = CgmNetBatch(frames, batch.labels, torch.zeros_like(follows))
    assert loss(net, nothing)["loss"] == 0


@pytest.mark.parametrize(
    ("frames", "labels"),
    [
        (torch.zeros(2, 5, 1, 8, 8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 5, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 5, 3, 8, 8), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(2, 5, 3, 8, 8), torch.zeros(2)),
    ],
)
def test_a_batch_checks_itself(frames, labels):
    with pytest.raises(ValueError, match="must be"):
        CgmNetBatch(frames, labels, torch.ones(2, 4, dtype=torch.bool))


def test_a_batch_says_of_every_pair_whether_it_follows():
    with pytest.raises(ValueError, match=r"follows must be bool \(2, 4\)"):
        CgmNetBatch(torch.zeros(2, 5, 3, 8, 8), torch.zeros(2, dtype=torch.int64), torch.ones(2, 5, dtype=torch.bool))
