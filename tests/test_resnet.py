import pytest
import torch
from motionpipe.models.resnet import IMAGENET_MEAN, IMAGENET_STD, ResNet, count_parameters, normalise


def on_meta(*args, **kwargs):
    with torch.device("meta"):
        return ResNet(*args, **kwargs)


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032), ("resnet152", 60_192_808)],
)
def test_2d_networks_have_torchvisions_parameters(name, published):
    assert count_parameters(on_meta(2, name, 1000)) == published


@pytest.mark.parametrize(
    ("name", "classes", "millions"),
    [
        ("resnet18", 101, 33.256),
        ("resnet34", 101, 63.565),
        ("resnet50", 400, 47.019),
        ("resnet101", 400, 86.065),
        ("resnext101", 400, 48.341),
    ],
)
def test_3d_networks_have_the_parameters_of_hara_et_al(name, classes, millions):
    assert count_parameters(on_meta(3, name, classes)) / 1e6 == pytest.approx(millions, abs=5e-4)


def test_feature_sizes_at_16_frames_of_112_pixels():
    net = on_meta(3, "resnet18", 101)
    sizes = {}
    for name in ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        hook = lambda module, args, out, name=name: sizes.update({name: tuple(out.shape[2:])})  # noqa: E731
        net.get_submodule(name).register_forward_hook(hook)
    maps = net(torch.empty(1, 3, 16, 112, 112, device="meta"))
    assert sizes == {
        "conv1": (16, 56, 56),
        "maxpool": (8, 28, 28),
        "layer1": (8, 28, 28),
        "layer2": (4, 14, 14),
        "layer3": (2, 7, 7),
        "layer4": (1, 4, 4),
    }
    assert net.classify(maps).shape == (1, 101)


def test_resnext_splits_its_inner_convolutions_into_32_groups():
    net = on_meta(3, "resnext101", None)
    block = net.layer3[22]
    assert block.conv2.groups == 32
    assert block.conv2.weight.shape == (512, 16, 3, 3, 3)
    assert net.channels == block.conv3.out_channels * 2 == 2048
    with pytest.raises(ValueError, match="32 groups"):
        on_meta(3, "resnext101", None, width=20)


def test_names_are_those_of_the_public_weights():
    for net in (on_meta(2, "resnet50", 10), on_meta(3, "resnet50", 10)):
        names = set(net.state_dict())
        assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer4.2.bn3.bias", "fc.bias"} <= names
        assert {"layer1.0.downsample.0.weight", "layer2.0.downsample.1.running_var"} <= names
        assert not any(name.startswith(("layer1.1.downsample", "relu", "maxpool")) for name in names)
    basic = set(on_meta(3, "resnet18", None).state_dict())
    assert "layer1.0.downsample.0.weight" not in basic
    assert "layer2.0.downsample.0.weight" in basic
    assert not any(name.startswith("fc") for name in basic)


def test_the_stride_of_a_2d_bottleneck_is_in_its_middle():
    block = on_meta(2, "resnet50", None).layer2[0]
    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


def test_scores_are_of_the_mean_over_time_and_place():
    torch.manual_seed(0)
    net = ResNet(3, "resnet18", 5, width=4).eval()
    maps = torch.randn(2, net.channels, 2, 3, 3)
    torch.testing.assert_close(net.classify(maps), net.fc(maps.mean(dim=(2, 3, 4))))


def test_normalised_frames_are_what_public_weights_were_trained_on():
    black, mean = torch.full((1, 3, 2, 2), -1.0), 2 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) - 1
    expected = torch.tensor([-m / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)])
    torch.testing.assert_close(normalise(black, IMAGENET_MEAN, IMAGENET_STD)[0, :, 1, 1], expected)
    torch.testing.assert_close(normalise(mean, IMAGENET_MEAN, IMAGENET_STD), torch.zeros(1, 3, 1, 1))
