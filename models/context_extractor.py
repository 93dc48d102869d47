"""The context extractor of CGM-Net: ResNet-18 of single frames up to conv3_x, without max-pooling at scale 4.

Source: Tian et al. 2020, 3.3. Names are torchvision's: its weights load, all but those of `LEFT_OUT`.
"""

from __future__ import annotations

from torch import Tensor, nn

from .resnet import TWO_D, BasicBlock, initialise

LEFT_OUT = ("layer3.", "layer4.", "fc.")
"""What of a whole ResNet-18 is not part of it."""


class ContextExtractor(nn.Module):
    """F_context (N, C, S / scale, S / scale) of frames (N, 3, S, S), for scales 2, 4, 8 and 16.

    Scale 2: conv3_x has stride 1. Scales 8 and 16 pool by 2 after conv1, as ResNet-18 does; 16 once more at the end.
    Every scale has the same parameters. slope: of the last stage's activations below zero.
    """

    def __init__(self, channels: int, scale: int, slope: float = 0.0) -> None:
        super().__init__()
        width = channels // 2
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1) if scale >= 8 else nn.Identity()
        self.layer1 = nn.Sequential(*(BasicBlock(TWO_D, width, width, 1) for _ in range(2)))
        stride = 1 if scale == 2 else 2
        self.layer2 = nn.Sequential(
            BasicBlock(TWO_D, width, channels, stride), BasicBlock(TWO_D, channels, channels, 1)
        )
        for block in self.layer2:
            block.relu = nn.LeakyReLU(slope, inplace=True)
        self.avgpool: nn.Module = nn.AvgPool2d(2) if scale == 16 else nn.Identity()
        initialise(self)

    def forward(self, frames_N3SS: Tensor) -> Tensor:
        """F_context of frames that are normalised as for ImageNet."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(frames_N3SS))))
        context: Tensor = self.avgpool(self.layer2(self.layer1(x)))
        return context
