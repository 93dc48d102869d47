"""Residual networks for images and clips: torchvision's 2D ResNets, and the 3D ResNets and ResNeXt of Hara et al.

Sources: He et al., CVPR 2016; Xie et al., CVPR 2017; Hara et al., CVPR 2018 ("Can spatiotemporal 3D CNNs retrace the
history of 2D CNNs and ImageNet?"). Shortcuts are of type B. Parameters carry the names of torchvision (2D) and of
3D-ResNets-PyTorch (3D), so that public weights load.

Shapes: N images or clips; the axes after the channels are (T), H, W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

KINETICS_MEAN, KINETICS_STD = (0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Layers:
    """conv, norm and pool in two or in three dimensions."""

    conv: type[nn.Conv2d] | type[nn.Conv3d]
    norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d]
    pool: type[nn.MaxPool2d] | type[nn.MaxPool3d]


TWO_D = Layers(nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)
THREE_D = Layers(nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d)


@dataclass(frozen=True)
class _Plan:
    """Blocks of the four stages. A bottleneck is `inner` times as wide as its stage, and what leaves it 4 times."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    groups: int = 1
    inner: int = 1


_PLANS = {
    "resnet18": _Plan((2, 2, 2, 2), False),
    "resnet34": _Plan((3, 4, 6, 3), False),
    "resnet50": _Plan((3, 4, 6, 3), True),
    "resnet101": _Plan((3, 4, 23, 3), True),
    "resnet152": _Plan((3, 8, 36, 3), True),
    "resnext101": _Plan((3, 4, 23, 3), True, groups=32, inner=2),
}
ResNetName = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext101"]


class BasicBlock(nn.Module):
    """Two convolutions of size 3 around a shortcut; the first has the stride."""

    def __init__(self, layers: Layers, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = layers.conv(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = layers.norm(width)
        self.conv2 = layers.conv(width, width, 3, padding=1, bias=False)
        self.bn2 = layers.norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(layers, channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, …) -> (N, width, …)."""
        residual: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu(residual + (x if self.downsample is None else self.downsample(x)))
        return out


class Bottleneck(nn.Module):
    """Convolutions of sizes 1, 3 (with the stride, in groups) and 1 around a shortcut."""

    def __init__(self, layers: Layers, channels: int, inner: int, width: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = layers.conv(channels, inner, 1, bias=False)
        self.bn1 = layers.norm(inner)
        self.conv2 = layers.conv(inner, inner, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = layers.norm(inner)
        self.conv3 = layers.conv(inner, width, 1, bias=False)
        self.bn3 = layers.norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(layers, channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, …) -> (N, width, …)."""
        inner = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        residual: Tensor = self.bn3(self.conv3(inner))
        out: Tensor = self.relu(residual + (x if self.downsample is None else self.downsample(x)))
        return out


class ResNet(nn.Module):
    """Maps of images (2D) or clips (3D), and scores of classes where `classes` is given.

    2D: sides fall to 1/32. 3D: conv1 7x7x7 with stride (1, 2, 2), then everything in time as in space: time falls to
    1/16, sides to 1/32 (16x112x112 to 1x4x4), rounded up. `channels` of the maps: 8 or 32 times `width`.
    """

    def __init__(
        self, dimensions: Literal[2, 3], name: ResNetName, classes: int | None, input_channels: int = 3, width: int = 64
    ) -> None:
        super().__init__()
        layers, self._plan = (TWO_D if dimensions == 2 else THREE_D), _PLANS[name]
        if (width * self._plan.inner) % self._plan.groups:
            raise ValueError(f"{name}: width {width} cannot be split into {self._plan.groups} groups")
        stride = (2, 2) if dimensions == 2 else (1, 2, 2)
        self.conv1 = layers.conv(input_channels, width, 7, stride, padding=3, bias=False)  # type: ignore[arg-type]
        self.bn1 = layers.norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = layers.pool(3, stride=2, padding=1)
        self.channels = width
        self.layer1 = self._stage(layers, 0, width, 1)
        self.layer2 = self._stage(layers, 1, 2 * width, 2)
        self.layer3 = self._stage(layers, 2, 4 * width, 2)
        self.layer4 = self._stage(layers, 3, 8 * width, 2)
        self.stage_channels = tuple(self.channels >> (3 - stage) for stage in range(4))
        self.fc = nn.Linear(self.channels, classes) if classes else None
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, channels, …) of the last stage."""
        return self.stages(x)[-1]

    def stages(self, x: Tensor) -> list[Tensor]:
        """Maps of all four stages; sides are 1/4, 1/8, 1/16 and 1/32 of the input's."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        found = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = stage(maps)
            found.append(maps)
        return found

    def pool(self, maps: Tensor) -> Tensor:
        """The mean of maps over time and place: (N, channels)."""
        return maps.flatten(2).mean(dim=2)

    def classify(self, maps: Tensor) -> Tensor:
        """Scores (N, classes) of maps. A network built without classes has none to give."""
        assert self.fc is not None
        scores: Tensor = self.fc(self.pool(maps))
        return scores

    def _stage(self, layers: Layers, number: int, width: int, stride: int) -> nn.Sequential:
        plan, blocks = self._plan, list[nn.Module]()
        for index in range(plan.blocks[number]):
            first = stride if index == 0 else 1
            if plan.bottleneck:
                blocks.append(Bottleneck(layers, self.channels, plan.inner * width, 4 * width, first, plan.groups))
            else:
                blocks.append(BasicBlock(layers, self.channels, width, first))
            self.channels = 4 * width if plan.bottleneck else width
        return nn.Sequential(*blocks)


def normalise(frames: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Frames (N, 3, …) in [-1, 1] as public weights expect them: on [0, 1], less the mean, over the deviation."""
    shape = (1, -1, *([1] * (frames.ndim - 2)))
    mean_1C = frames.new_tensor(mean).view(shape)
    std_1C = frames.new_tensor(std).view(shape)
    return ((frames + 1) / 2 - mean_1C) / std_1C


def initialise(net: nn.Module) -> None:
    """He's initialisation of every convolution in `net`, by its fan out; batch norm starts as the identity."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _shortcut(layers: Layers, channels: int, width: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels == width:
        return None
    return nn.Sequential(layers.conv(channels, width, 1, stride, bias=False), layers.norm(width))


def count_parameters(*modules: nn.Module) -> int:
    """Numbers that training adjusts in `modules`."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
