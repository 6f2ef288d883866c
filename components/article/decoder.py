"""An untrained decoder that mirrors an encoder: (B, D) -> (B, C, S, S), in the units of the normalised input.

The article's own (section 5.2) has two layers and two transposed convolutions. Corrected there: its output went
through a ReLU, though a normalised image is below 0 in many of its pixels; its kernel of 3 with stride 2 and padding 1
makes 2 s - 1 pixels of s, so that 8 x 8 became 29 x 29 and not 32 x 32; and 128 * 6 * 6 fits no input (article.py). A
residual network, of which the article says nothing, is mirrored by upsampling and a convolution for every halving.
B images, C channels, S pixels a side, D features.
"""

from itertools import pairwise

from torch import nn

from components.encoder.article import WIDTHS
from components.encoder.params import ArticleNetwork, Encoder, TinyResNet, TorchvisionResNet
from components.encoder.resnet import has_small_stem


def build_decoder(params: Encoder, *, features: int, channels: int, side: int) -> nn.Module:
    """Drawn from torch's global generator."""
    match params:
        case ArticleNetwork():
            return article_decoder(params, channels=channels, side=side)
        case TinyResNet():
            return mirrored_resnet(tiny_maps(params, side), features=features, channels=channels, side=side)
        case TorchvisionResNet():
            return mirrored_resnet(torchvision_maps(params, side), features=features, channels=channels, side=side)


def article_decoder(params: ArticleNetwork, *, channels: int, side: int) -> nn.Module:
    """Layers and convolutions of the encoder in reverse order."""
    first, second = WIDTHS
    left = side // 2 // 2
    return nn.Sequential(
        nn.Linear(params.features, params.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(params.hidden, second * left * left),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (second, left, left)),
        doubling(second, first, side // 2),
        nn.ReLU(inplace=True),
        doubling(first, channels, side),
    )


def doubling(channels: int, out: int, side: int) -> nn.Module:
    """(B, channels, side // 2, side // 2) -> (B, out, side, side), where pooling may have left an odd row out.

    PyTorch's own arithmetic: (s - 1) * 2 - 2 * padding + 3 + output_padding.
    """
    even = 1 - side % 2
    return nn.ConvTranspose2d(channels, out, 3, stride=2, padding=even, output_padding=even)


Maps = list[tuple[int, int]]  # channels and side of an encoder's maps, the first convolution's first


def tiny_maps(params: TinyResNet, side: int) -> Maps:
    """The first convolution keeps the side; each further width halves it."""
    return halving([(params.widths[0], side)], params.widths[1:])


def torchvision_maps(params: TorchvisionResNet, side: int) -> Maps:
    """As wide as a ResNet-18's, also where the encoder's blocks are bottlenecks, which are four times as wide."""
    if has_small_stem(params, side):
        return halving([(64, side)], (128, 256, 512))
    return halving([(64, half(side))], (64, 128, 256, 512))


def halving(maps: Maps, widths: tuple[int, ...]) -> Maps:
    """A map for each further width, of half the side."""
    for width in widths:
        maps.append((width, half(maps[-1][1])))
    return maps


def half(side: int) -> int:
    """What convolutions of stride 2 leave, padded as these are: half a pixel more of an odd side."""
    return (side + 1) // 2


def mirrored_resnet(maps: Maps, *, features: int, channels: int, side: int) -> nn.Module:
    """The average over the last map is undone by a layer; then map by map up to the image."""
    width, left = maps[-1]
    layers: list[nn.Module] = [
        nn.Linear(features, width * left * left),
        nn.Unflatten(1, (width, left, left)),
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
