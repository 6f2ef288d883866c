"""An untrained encoder as params.yaml names it: (B, C, S, S) -> (B, D).

B images, C channels, S pixels a side, D features.
"""

import torch
from torch import Tensor, nn

from components.encoder.article import article_encoder
from components.encoder.params import ArticleNetwork, Encoder, TinyResNet, TorchvisionResNet
from components.encoder.resnet import tiny_resnet, torchvision_resnet


def build_encoder(params: Encoder, *, channels: int, side: int) -> nn.Module:
    """Drawn from torch's global generator."""
    match params:
        case TinyResNet():
            return tiny_resnet(params, channels)
        case TorchvisionResNet():
            return torchvision_resnet(params, channels=channels, side=side)
        case ArticleNetwork():
            return article_encoder(params, channels=channels, side=side)


def feature_dimension(encoder: nn.Module, *, channels: int, side: int) -> int:
    """D, asked of the encoder itself; its statistics and mode stay as they are."""
    training = encoder.training
    encoder.eval()
    with torch.no_grad():
        features: Tensor = encoder(torch.zeros(1, channels, side, side))  # (1, D)
    encoder.train(training)
    return features.shape[1]
