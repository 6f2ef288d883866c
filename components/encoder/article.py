"""Builds the encoder of the article "BYOL原理与代码实例讲解", as printed in its section 5.2.

It has two 3x3 convolutions of 64 and 128 channels, each with ReLU and a max-pool by 2, then two layers with ReLU, of
4096 and 2048 units in the article. One mistake is corrected: the article's first layer expects 128 * 6 * 6 numbers,
which none of its inputs gives (its images of 224 pixels leave 56 x 56, CIFAR-10's 32 leave 8 x 8); here the layer has
the size that the input leaves. At 224 pixels that layer alone has 1.6 thousand million weights. As in the listing,
there is no normalisation, and the weights are drawn as PyTorch does by default.
B images, C channels, S pixels per side, D features.
"""

from torch import nn

from components.encoder.params import ArticleNetwork

WIDTHS = (64, 128)  # channels of the two convolutions


def build_article_encoder(params: ArticleNetwork, *, channels: int, side: int) -> nn.Module:
    """Build the article's encoder: (B, C, S, S) -> (B, D), with no feature below 0."""
    first, second = WIDTHS
    map_side = side // 2 // 2
    return nn.Sequential(
        nn.Conv2d(channels, first, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),  # (B, 64, S // 2, S // 2)
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),  # (B, 128, S // 4, S // 4)
        nn.Flatten(),
        nn.Linear(second * map_side * map_side, params.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(params.hidden, params.features),
        nn.ReLU(inplace=True),
    )
