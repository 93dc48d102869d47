"""VGG-16 up to its first fully connected layer, fc6 (Simonyan and Zisserman, ICLR 2015): percepts of Srivastava et al.

Parameters carry torchvision's names, so that its weights load. Shapes: N images of 224x224 px.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .resnet import IMAGENET_MEAN, IMAGENET_STD, normalise

CHANNELS = 4096
_WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of the 3x3 convolutions; 0: 2x2 max pooling."""


class VGG16(nn.Module):
    """Thirteen convolutions, five poolings, fc6."""

    def __init__(self) -> None:
        super().__init__()
        layers, channels = list[nn.Module](), 3
        for width in _WIDTHS:
            if width:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features_ = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(channels * 7 * 7, CHANNELS))

    def features(self, images: Tensor) -> Tensor:
        """Images (N, 3, 224, 224), uint8, to fc6 after its ReLU (N, 4096)."""
        x = normalise(images.float() / 127.5 - 1, IMAGENET_MEAN, IMAGENET_STD)
        return F.relu(self.classifier(self.features_(x).flatten(1)))
