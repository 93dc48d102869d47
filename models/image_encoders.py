"""Networks that turn single images into percepts, by name; their weights are files that others made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, cast

from torch import Tensor, nn

from .efficientnet_lite import EfficientNetLite0
from .resnet import IMAGENET_MEAN, IMAGENET_STD, ResNet, ResNetName, normalise
from .vgg import VGG16

EncoderName = Literal["resnet18", "resnet152", "vgg16", "efficientnet-lite0"]
SIDE = 224
"""Side of the square images that all of them were trained on [px]."""


class ImageEncoder(Protocol):
    """Any of the networks: images (N, 3, 224, 224), uint8, to percepts (N, D)."""

    def features(self, images: Tensor) -> Tensor:
        """Percepts of images."""


class ResNetEncoder(ResNet):
    """A residual network up to the mean of its last maps."""

    def __init__(self, name: ResNetName) -> None:
        super().__init__(2, name, None)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), uint8, to (N, 512) or (N, 2048)."""
        return self.pool(self(normalise(images.float() / 127.5 - 1, IMAGENET_MEAN, IMAGENET_STD)))


_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNetEncoder("resnet18"),
    "resnet152": lambda: ResNetEncoder("resnet152"),
    "vgg16": VGG16,
    "efficientnet-lite0": EfficientNetLite0,
}


def load_image_encoder(name: EncoderName, weights: Mapping[str, Tensor]) -> ImageEncoder:
    """The network with its weights, in evaluation mode. Weights of layers that percepts do not need are left behind.

    ValueError, which names the first of them, where weights are missing or of another shape.
    """
    net = _BUILDERS[name]()
    own = net.state_dict()
    given = {key.replace("features.", "features_.", 1) if name == "vgg16" else key: v for key, v in weights.items()}
    for key, value in own.items():
        if key.endswith("num_batches_tracked"):
            given.setdefault(key, value)
        if key not in given or given[key].shape != value.shape:
            found = f"shape {tuple(given[key].shape)}" if key in given else "nothing"
            raise ValueError(f"weights of {name} hold {found} as {key}, {tuple(value.shape)} is needed")
    net.load_state_dict({key: given[key] for key in own})
    return cast(ImageEncoder, net.eval().requires_grad_(requires_grad=False))
