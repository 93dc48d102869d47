"""EfficientNet-Lite0 (Tan and Le, ICML 2019, as released for mobile devices): no squeeze-and-excitation, ReLU6.

Parameters carry the names of public PyTorch conversions, so that their weights load. Like the TensorFlow original, the
network pads so that a stride of 2 rounds up, more at the right and the bottom, and takes pixels as (x - 127) / 128.

Shapes: N images; sides fall to 1/32.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 224
CHANNELS = 1280
_STEM = 32
_STAGES = (
    # blocks, kernel, stride of the first, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv(nn.Conv2d):
    """A convolution without bias whose output has ceil(side / stride) pixels, as TensorFlow's "SAME"."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, width, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H', W')."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        rows, columns = (max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in x.shape[-2:])
        padded = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return super().forward(padded)


class InvertedBottleneck(nn.Module):
    """Wider by 1x1, convolved each channel by itself, narrower by 1x1; added to its input where the sizes allow."""

    def __init__(self, channels: int, kernel: int, stride: int, expansion: int, width: int) -> None:
        super().__init__()
        inner = channels * expansion
        self._expand_conv = SameConv(channels, inner, 1) if expansion > 1 else None
        self._bn0 = _norm(inner) if expansion > 1 else None
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = SameConv(inner, width, 1)
        self._bn2 = _norm(width)
        self.residual = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H', W')."""
        inner = x
        if self._expand_conv is not None and self._bn0 is not None:
            inner = F.relu6(self._bn0(self._expand_conv(x)))
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)))
        out: Tensor = self._bn2(self._project_conv(inner))
        return out + x if self.residual else out


class EfficientNetLite0(nn.Module):
    """The network up to its scores of ImageNet's classes."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, _STEM, 3, 2), _norm(_STEM)
        blocks, channels = list[nn.Module](), _STEM
        for count, kernel, stride, expansion, width in _STAGES:
            for index in range(count):
                blocks.append(InvertedBottleneck(channels, kernel, 1 if index else stride, expansion, width))
                channels = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(channels, CHANNELS, 1), _norm(CHANNELS)
        self._fc = nn.Linear(CHANNELS, classes)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), uint8, to the mean of the last maps (N, 1280)."""
        x = F.relu6(self._bn0(self._conv_stem((images.float() - 127) / 128)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N, classes) of images (N, 3, H, W), uint8."""
        scores: Tensor = self._fc(self.features(images))
        return scores


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
