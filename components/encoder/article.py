"""The encoder of the article "BYOL原理与代码实例讲解", as printed in its section 5.2.

Two 3x3 convolutions of 64 and 128 channels, each with ReLU and a max-pool by 2, then two layers with ReLU, of 4096 and
2048 units there. What is corrected: its first layer expects 128 * 6 * 6 numbers, which no input of its own gives (its
images of 224 pixels leave 56 x 56, CIFAR-10's 32 leave 8 x 8); here it takes what the input leaves. At 224 pixels that
layer alone has 1.6 thousand million weights. There is no normalisation in it, and the weights are drawn as PyTorch
does, as in the listing.
B images, C channels, S pixels a side, D features.
"""

from torch import nn

from components.encoder.params import ArticleNetwork

WIDTHS = (64, 128)  # channels of the two convolutions


def article_encoder(params: ArticleNetwork, *, channels: int, side: int) -> nn.Module:
    """(B, C, S, S) -> (B, D), none below 0."""
    first, second = WIDTHS
    left = side // 2 // 2
    return nn.Sequential(
        nn.Conv2d(channels, first, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),  # (B, 64, S // 2, S // 2)
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),  # (B, 128, S // 4, S // 4)
        nn.Flatten(),
        nn.Linear(second * left * left, params.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(params.hidden, params.features),
        nn.ReLU(inplace=True),
    )
