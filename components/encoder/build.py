"""Builds the untrained encoder that params.yaml names, (B, C, S, S) -> (B, D), and tells what it gives.

B images, C channels, S pixels per side, D features.
"""

import torch
from torch import Tensor, nn

from components.encoder.article import build_article_encoder
from components.encoder.errors import NetworkError, explain
from components.encoder.from_own import build_own_network
from components.encoder.from_timm import build_timm_network
from components.encoder.params import (
    ArticleNetwork,
    Encoder,
    OwnNetwork,
    TimmNetwork,
    TinyResNet,
    TorchvisionResNet,
    name_network,
)
from components.encoder.resnet import build_tiny_resnet, build_torchvision_resnet


def build_encoder(params: Encoder, *, channels: int, side: int) -> nn.Module:
    """Build an encoder whose weights are drawn from torch's global generator. Raises NetworkError if there is none."""
    match params:
        case TinyResNet():
            return build_tiny_resnet(params, channels)
        case TorchvisionResNet():
            return build_torchvision_resnet(params, channels=channels, side=side)
        case ArticleNetwork():
            return build_article_encoder(params, channels=channels, side=side)
        case TimmNetwork():
            return build_timm_network(params, channels=channels, side=side)
        case OwnNetwork():
            return build_own_network(params, channels=channels, side=side)


def plan_encoder(params: Encoder, *, channels: int, side: int) -> nn.Module:
    """Build an encoder in eval mode whose weights take no memory until they are loaded. Raises NetworkError.

    What is computed once and kept beside the weights, as the indices of a window's positions, is there. The user's own
    network may keep anything anywhere, so it is built as it is. torch's global generator stays unchanged.
    """
    with torch.random.fork_rng(devices=()):
        if not isinstance(params, OwnNetwork):
            with torch.device("meta"):
                network = build_encoder(params, channels=channels, side=side).eval()
            if not list_unsaved(network):
                return network
        return build_encoder(params, channels=channels, side=side).eval()


def list_unsaved(network: nn.Module) -> list[str]:
    """List the tensors that a network keeps outside of its state_dict."""
    saved = network.state_dict().keys()
    buffers = [name for name, _ in network.named_buffers() if name not in saved]
    plain = [
        f"{place}.{name}"
        for place, module in network.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    ]
    return buffers + plain


def check_features(network: nn.Module, params: Encoder, *, channels: int, side: int) -> int:
    """Return D, where the network gives one row of finite features per image. Raises NetworkError where it does not."""
    device = next((tensor.device for tensor in network.state_dict().values()), torch.device("cpu"))
    images = torch.zeros(2, channels, side, side, device=device)
    name, training = name_network(params), network.training
    network.eval()
    with explain(f"{name} takes no images of {channels} channels and {side} x {side} pixels"), torch.no_grad():
        features = network(images)  # (2, D)
    network.train(training)
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2 or features.shape[1] == 0:
        gives = list(features.shape) if isinstance(features, Tensor) else f"a {type(features).__name__}"
        raise NetworkError(f"{name} gives {gives} for 2 images, not [2, D], a row of features for each")
    if not features.is_meta and not bool(features.isfinite().all()):
        raise NetworkError(f"{name} gives features that are not finite")
    return features.shape[1]


def count_features(encoder: nn.Module, *, channels: int, side: int) -> int:
    """Return D, the number of features that an encoder gives; its statistics and mode stay unchanged."""
    training = encoder.training
    encoder.eval()
    with torch.no_grad():
        features: Tensor = encoder(torch.zeros(1, channels, side, side))  # (1, D)
    encoder.train(training)
    return features.shape[1]
