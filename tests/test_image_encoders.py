import pytest
import torch
from motionpipe.models.efficientnet_lite import EfficientNetLite0, SameConv
from motionpipe.models.image_encoders import load_image_encoder
from motionpipe.models.resnet import count_parameters
from motionpipe.models.vgg import VGG16
from torch import nn


def test_same_padding_is_tensorflows():
    """A stride of 2 over an even side: nothing at the left, one at the right."""
    conv = SameConv(1, 1, 3, stride=2)
    nn.init.ones_(conv.weight)
    row = torch.arange(6.0).reshape(1, 1, 1, 6).expand(1, 1, 6, 6)
    made = conv(row)
    assert made.shape == (1, 1, 3, 3)
    assert made[0, 0, 0].tolist() == [9, 27, 27]  # 3 (0+1+2), 3 (2+3+4), 3 (4+5)
    assert SameConv(1, 1, 5)(torch.zeros(1, 1, 7, 9)).shape == (1, 1, 7, 9)


def test_efficientnet_lite0_has_the_published_size():
    """4.7 M parameters (the authors' table); 296 tensors in public conversions."""
    net = EfficientNetLite0()
    assert count_parameters(net) == 4_652_008
    assert len(net.state_dict()) == 296
    assert net.state_dict()["_blocks.15._project_conv.weight"].shape == (320, 1152, 1, 1)


def test_vgg16_has_the_published_size():
    """14,714,688 in the convolutions, 25088 · 4096 + 4096 in fc6."""
    with torch.device("meta"):
        net = VGG16()
    assert count_parameters(net) == 14_714_688 + 25_088 * 4096 + 4096
    names = [name.replace("features_", "features") for name in net.state_dict()]
    assert names[-3:] == ["features.28.bias", "classifier.0.weight", "classifier.0.bias"]


def test_weights_of_the_whole_network_load_and_those_of_another_do_not():
    torch.manual_seed(0)
    given = EfficientNetLite0()
    net = load_image_encoder("efficientnet-lite0", given.state_dict())
    images = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(net.features(images), given.eval().features(images))
        assert net.features(images).shape == (2, 1280)
    with pytest.raises(ValueError, match=r"weights of resnet18 hold nothing as conv1\.weight"):
        load_image_encoder("resnet18", given.state_dict())
    wrong = given.state_dict() | {"_conv_stem.weight": torch.zeros(3, 3)}
    with pytest.raises(ValueError, match=r"shape \(3, 3\) as _conv_stem\.weight"):
        load_image_encoder("efficientnet-lite0", wrong)


def test_features_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    net = load_image_encoder("efficientnet-lite0", EfficientNetLite0().state_dict())
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(net.features(images)[1:2], net.features(images[1:2]))
