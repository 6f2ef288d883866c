"""Builds the untrained encoder that params.yaml names: (B, C, S, S) -> (B, D).

B images, C channels, S pixels per side, D features.
"""

import torch
from torch import Tensor, nn

from components.encoder.article import build_article_encoder
from components.encoder.params import ArticleNetwork, Encoder, TinyResNet, TorchvisionResNet
from components.encoder.resnet import build_tiny_resnet, build_torchvision_resnet


def build_encoder(params: Encoder, *, channels: int, side: int) -> nn.Module:
    """Build an encoder whose weights are drawn from torch's global generator."""
    match params:
        case TinyResNet():
            return build_tiny_resnet(params, channels)
        case TorchvisionResNet():
            return build_torchvision_resnet(params, channels=channels, side=side)
        case ArticleNetwork():
            return build_article_encoder(params, channels=channels, side=side)


def count_features(encoder: nn.Module, *, channels: int, side: int) -> int:
    """Return D, the number of features that an encoder gives; its statistics and mode stay unchanged."""
    training = encoder.training
    encoder.eval()
    with torch.no_grad():
        features: Tensor = encoder(torch.zeros(1, channels, side, side))  # (1, D)
    encoder.train(training)
    return features.shape[1]
