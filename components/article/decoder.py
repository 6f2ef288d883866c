"""Builds an untrained decoder that mirrors an encoder: (B, D) -> (B, C, S, S), in the units of the normalised input.

The article's decoder (section 5.2) has two layers and two transposed convolutions. Three mistakes of its listing are
corrected here: its output passes a ReLU, though many pixels of a normalised image are below 0; its kernel of 3 with
stride 2 and padding 1 makes 2 s - 1 pixels of s, so that 8 x 8 becomes 29 x 29 and not 32 x 32; and 128 * 6 * 6 fits no
input (components/encoder/article.py). A residual network, which the article does not treat, is mirrored by upsampling
and a convolution for every halving; for a network of timm or of the user's own the decoder is that of a ResNet-18.
B images, C channels, S pixels per side, D features.
"""

from itertools import pairwise

from torch import nn

from components.encoder.article import WIDTHS
from components.encoder.params import ArticleNetwork, Encoder, OwnNetwork, TimmNetwork, TinyResNet, TorchvisionResNet
from components.encoder.resnet import has_small_stem

RESNET18 = TorchvisionResNet(name="resnet18", stem="auto")


def build_decoder(params: Encoder, *, features: int, channels: int, side: int) -> nn.Module:
    """Build the decoder that mirrors an encoder; its weights are drawn from torch's global generator."""
    match params:
        case ArticleNetwork():
            return build_article_decoder(params, channels=channels, side=side)
        case TinyResNet():
            maps = list_tiny_maps(params, side)
            return build_mirrored_resnet(maps, features=features, channels=channels, side=side)
        case TimmNetwork() | OwnNetwork():
            return build_decoder(RESNET18, features=features, channels=channels, side=side)
        case TorchvisionResNet():
            maps = list_torchvision_maps(params, side)
            return build_mirrored_resnet(maps, features=features, channels=channels, side=side)


def build_article_decoder(params: ArticleNetwork, *, channels: int, side: int) -> nn.Module:
    """Build the article's decoder: the layers and convolutions of its encoder in reverse order."""
    first, second = WIDTHS
    map_side = side // 2 // 2
    return nn.Sequential(
        nn.Linear(params.features, params.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(params.hidden, second * map_side * map_side),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (second, map_side, map_side)),
        build_doubling_layer(second, first, side // 2),
        nn.ReLU(inplace=True),
        build_doubling_layer(first, channels, side),
    )


def build_doubling_layer(channels: int, out: int, side: int) -> nn.Module:
    """Build a layer that doubles the side: (B, channels, side // 2, side // 2) -> (B, out, side, side).

    An odd side gets back the row that pooling has dropped. By PyTorch's arithmetic, s pixels become
    (s - 1) * 2 - 2 * padding + 3 + output_padding.
    """
    even = 1 - side % 2
    return nn.ConvTranspose2d(channels, out, 3, stride=2, padding=even, output_padding=even)


Maps = list[tuple[int, int]]  # channels and side of each of an encoder's feature maps, from input to output


def list_tiny_maps(params: TinyResNet, side: int) -> Maps:
    """List the maps of a tiny ResNet: the first convolution keeps the side, each further width halves it."""
    return add_halved_maps([(params.widths[0], side)], params.widths[1:])


def list_torchvision_maps(params: TorchvisionResNet, side: int) -> Maps:
    """List the maps of a ResNet-18, also for encoders with bottleneck blocks, which are four times as wide."""
    if has_small_stem(params, side):
        return add_halved_maps([(64, side)], (128, 256, 512))
    return add_halved_maps([(64, halve_side(side))], (64, 128, 256, 512))


def add_halved_maps(maps: Maps, widths: tuple[int, ...]) -> Maps:
    """Add a map of half the side for each further width."""
    for width in widths:
        maps.append((width, halve_side(maps[-1][1])))
    return maps


def halve_side(side: int) -> int:
    """Return the side after a padded convolution of stride 2: half, rounded up."""
    return (side + 1) // 2


def build_mirrored_resnet(maps: Maps, *, features: int, channels: int, side: int) -> nn.Module:
    """Build a decoder that expands the features to the last map, and from there map by map up to the image."""
    width, map_side = maps[-1]
    layers: list[nn.Module] = [
        nn.Linear(features, width * map_side * map_side),
        nn.Unflatten(1, (width, map_side, map_side)),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    for (width, _), (narrower, larger) in pairwise(reversed(maps)):
        layers += [
            nn.Upsample(size=(larger, larger)),
            nn.Conv2d(width, narrower, 3, padding=1, bias=False),
            nn.BatchNorm2d(narrower),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.Upsample(size=(side, side)), nn.Conv2d(maps[0][0], channels, 3, padding=1))
