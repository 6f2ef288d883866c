"""The networks: an encoder f, a projector g and a predictor q (arXiv 2006.07733, section 3.1 and appendix J).

B images, C channels, S pixels a side, D features, H hidden units, P outputs of the projector.
"""

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from components.params.pretrain import Head, TinyResNet, TorchvisionResNet

SMALL_SIDE = 64  # "auto" takes the small-image stem up to here; ImageNet's stem leaves 2 x 2 pixels of 64


def build_encoder(params: TinyResNet | TorchvisionResNet, *, channels: int, side: int) -> nn.Module:
    """An untrained encoder (B, C, S, S) -> (B, D), drawn from torch's global generator."""
    if isinstance(params, TinyResNet):
        return tiny_resnet(params.widths, params.blocks, channels)
    encoder: nn.Module = getattr(torchvision.models, params.name)(weights=None, zero_init_residual=False)
    encoder.fc = nn.Identity()
    if params.stem == "small" or (params.stem == "auto" and side <= SMALL_SIDE):
        stem = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
        encoder.maxpool = nn.Identity()
    else:
        stem = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as torchvision draws the others
    encoder.conv1 = stem
    return encoder


def tiny_resnet(widths: tuple[int, ...], blocks: int, channels: int) -> nn.Module:
    """He et al.'s CIFAR layout (arXiv 1512.03385, section 4.2), cut to size; the side halves at each further width."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels, widths[0], 3, padding=1, bias=False),  # (B, widths[0], S, S)
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    ]
    width_in = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            shortcut = None
            if stride != 1 or width_in != width:
                shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            layers.append(BasicBlock(width_in, width, stride, shortcut))
            width_in = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, D) with D = widths[-1]
    encoder = nn.Sequential(*layers)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return encoder


def feature_dimension(encoder: nn.Module, *, channels: int, side: int) -> int:
    """D, asked of the encoder itself; its statistics and mode stay as they are."""
    training = encoder.training
    encoder.eval()
    with torch.no_grad():
        features: Tensor = encoder(torch.zeros(1, channels, side, side))  # (1, D)
    encoder.train(training)
    return features.shape[1]


def build_head(inputs: int, params: Head) -> nn.Module:
    """Projector or predictor (B, inputs) -> (B, P): no bias and no normalisation after the last layer."""
    return nn.Sequential(
        nn.Linear(inputs, params.hidden),
        nn.BatchNorm1d(params.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(params.hidden, params.out, bias=False),
    )


class Online(nn.Module):
    """q(g(f(v))): the network that learns, and whose encoder is kept."""

    def __init__(self, encoder: nn.Module, projector: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.encoder, self.projector, self.predictor = encoder, projector, predictor

    def forward(self, view: Tensor) -> Tensor:  # noqa: D102
        projection = self.projector(self.encoder(view))  # (B, P)
        prediction: Tensor = self.predictor(projection)  # (B, P)
        return prediction


def build_online(encoder: TinyResNet | TorchvisionResNet, head: Head, *, channels: int, side: int, seed: int) -> Online:
    """The whole online network, on the CPU; the same seed gives the same bits, and the encoder is drawn first."""
    torch.manual_seed(seed)
    network = build_encoder(encoder, channels=channels, side=side)
    features = feature_dimension(network, channels=channels, side=side)
    return Online(network, build_head(features, head), build_head(head.out, head))
