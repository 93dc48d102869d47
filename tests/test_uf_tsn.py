import pytest
import torch
from motionpipe.models.resnet import ResNet, count_parameters
from motionpipe.models.uf_flow import UfFlow
from motionpipe.models.uf_tsn import (
    UfStream,
    UfTsnBatch,
    build,
    features,
    freeze_all_but_head,
    load_backbone,
    loss,
    parts,
)
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.uf_tsn import UfTsnSection

TINY = UfTsnSection(
    pyramid_widths=(4, 6, 8),
    pyramid_convolutions=1,
    flow_widths=(8,),
    census_radii=(1, 1),
    crop=32,
    segments=2,
    stack=3,
    backbone_width=4,
)


def section(**fields):
    return UfTsnSection.model_validate(TINY.model_dump() | fields)


def batch(config, clips=3):
    frames = torch.rand(clips, config.segments, config.snippet_frames, 3, 32, 32, generator=rng())
    return UfTsnBatch(frames, torch.tensor([0, 1, 1][:clips]))


def rng():
    return torch.Generator().manual_seed(0)


def stream(stage="classifier", which="temporal"):
    torch.manual_seed(0)
    net = build(section(stage=stage, stream=which), (3, 5))
    assert isinstance(net, UfStream)
    return net


def test_the_flow_stage_builds_the_flow_network_alone():
    assert isinstance(build(TINY), UfFlow)
    found = loss(build(TINY), UfTsnBatch(torch.rand(2, 1, 2, 3, 32, 32), torch.tensor([-1, -1])))
    assert set(found) == {"loss", "diff", "census", "smooth", "visible", "motion"}


def test_in_the_classifier_stage_no_gradient_reaches_the_flow_network():
    net = stream()
    freeze_all_but_head(net, False)
    found = loss(net, batch(net.config))
    assert set(found) == {"loss", "class", "accuracy"}
    found["loss"].backward()
    assert all(parameter.grad is None for parameter in net.flow.parameters())
    assert all(parameter.grad is not None for parameter in net.backbone.parameters())


def test_in_the_joint_stage_classes_alone_move_the_flow_network_too():
    net = build(section(stage="joint", lambda_flow=0.0), (3, 5))
    freeze_all_but_head(net, False)
    loss(net, batch(net.config))["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.flow.parameters())


def test_in_the_joint_stage_the_unsupervised_loss_stays_on():
    net, config = stream("joint"), section(stage="joint", lambda_flow=0.5)
    net.config = config
    torch.manual_seed(1)
    found = loss(net.eval(), batch(config))
    expected = found["class"] + 0.5 * (
        config.lambda_diff * found["diff"]
        + config.lambda_census * found["census"]
        + config.lambda_smooth * found["smooth"]
    )
    torch.testing.assert_close(found["loss"].detach(), expected)


def test_the_unsupervised_loss_of_a_snippet_is_that_of_its_pairs():
    net = stream("joint").eval()
    snippets = torch.rand(2, 4, 3, 32, 32, generator=rng())
    _, flows = net.see(snippets)
    pairs = net.flow(snippets[:, :-1].flatten(0, 1), snippets[:, 1:].flatten(0, 1))
    for ours, expected in zip(flows, pairs, strict=True):
        torch.testing.assert_close(ours, expected)


def test_frozen_all_but_the_last_layer_stands_still():
    net = stream("joint")
    freeze_all_but_head(net, True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    loss(net, batch(net.config))["loss"].backward()
    learning = [name for name, parameter in net.named_parameters() if parameter.grad is not None]
    assert learning == ["backbone.fc.weight", "backbone.fc.bias"]
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_the_consensus_is_the_mean_of_the_segments_scores():
    net = stream(which="spatial").eval()
    clips = batch(net.config)
    scores = net(clips.frames.flatten(0, 1)).view(3, 2, 2).mean(dim=1)
    expected = torch.nn.functional.cross_entropy(scores, clips.classes)
    torch.testing.assert_close(loss(net, clips)["loss"], expected)


@pytest.mark.parametrize("which", ["temporal", "spatial"])
def test_embeddings_are_of_snippets_of_any_size_that_the_levels_divide(which):
    net = stream(which=which).eval()
    clip = torch.rand(2, net.config.snippet_frames, 3, 40, 48)
    assert features(net, clip).shape == (2, 32)
    assert features(net, clip, pool_grid=2).shape == (2, 128)


def test_parts_name_every_parameter_once():
    net = stream("joint")
    named = [parameter for modules in parts(net).values() for module in modules for parameter in module.parameters()]
    assert len(named) == len(set(named)) == len(list(net.parameters()))


def test_the_temporal_stream_takes_colours_means_for_its_first_convolution():
    net = stream()
    weights = ResNet(2, "resnet18", 1000, 3, 4).state_dict()
    load_backbone(net, weights)
    mean = weights["conv1.weight"].mean(dim=1)
    assert net.backbone.conv1.weight.shape[1] == 6
    assert all(torch.equal(net.backbone.conv1.weight[:, channel], mean) for channel in range(6))
    assert torch.equal(net.backbone.layer1[0].conv1.weight, weights["layer1.0.conv1.weight"])


def test_the_spatial_stream_of_the_paper_has_its_size_and_takes_public_weights():
    config = UfTsnSection(stage="classifier", stream="spatial", backbone="resnet152")
    net = UfStream(config, torch.arange(101), 0.5)
    assert count_parameters(net) == 58_350_757  # torchvision's ResNet-152 with 101 classes
    weights = ResNet(2, "resnet152", 1000).state_dict()
    load_backbone(net, weights)
    assert torch.equal(net.backbone.layer4[2].conv3.weight, weights["layer4.2.conv3.weight"])
    with pytest.raises(MotionpipeError, match="another network"):
        load_backbone(net, ResNet(2, "resnet18", 1000).state_dict())


def test_batches_say_what_is_wrong():
    with pytest.raises(ValueError, match="snippets"):
        UfTsnBatch(torch.rand(2, 3, 3, 32, 32), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="classes"):
        UfTsnBatch(torch.rand(2, 1, 2, 3, 32, 32), torch.tensor([0.0, 1.0]))


def test_a_stream_of_stored_flow_has_no_flow_network():
    torch.manual_seed(0)
    net = build(section(stage="classifier", flow="tv-l1"), (3, 5))
    assert net.flow is None
    assert net.backbone.conv1.weight.shape[1] == 6
    flow = 10 * torch.randn(3, 2, 3, 2, 32, 32, generator=rng())
    clips = UfTsnBatch(flow, torch.tensor([0, 1, 1]))
    loss(net, clips)["loss"].backward()
    assert net.backbone.conv1.weight.grad.any()
    seen, _ = net.see(flow[0])
    torch.testing.assert_close(seen[1, 3], (flow[0, 1, 1, 1].clamp(-20, 20) / (40 * 0.226)))
