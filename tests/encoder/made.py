"""Makes encoders that look trained without training: BatchNorm's statistics are far from their initial values."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from components.encoder.build import build_encoder
from components.encoder.params import Encoder, Images, TinyResNet
from components.encoder.saved import ONNX, Begun, Config, save_encoder
from components.pretrain.onnx import export_onnx

TINY = TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=1)
BEGUN = Begun(kind="file", origin="weights.safetensors", sha256="a" * 64, notes=(), weights="0" * 64)


def make_encoder(
    encoder: Encoder = TINY, *, channels: int = 1, side: int = 8, **pixels: Any
) -> tuple[nn.Module, Config]:
    """Make an encoder; `pixels` has the range and the colours of its images, if any."""
    torch.manual_seed(1)
    network = build_encoder(encoder, channels=channels, side=side).train()
    with torch.no_grad():
        width = network(torch.rand(2, channels, side, side)).shape[1]
        for _ in range(3):
            network(3 * torch.randn(4, channels, side, side) + 1)
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.weight.uniform_(0.2, 2.0)
            norm.bias.uniform_(-1.0, 1.0)
    mean, std = (0.4, 0.5, 0.3, 0.6, *[0.5] * 9)[:channels], (0.25, 0.2, 0.3, 0.5, *[0.3] * 9)[:channels]
    images = Images(side=side, read_side=side, mean=mean, std=std, **{"range": None, "colours": None, **pixels})
    provenance = {
        "method": "BYOL, arXiv 2006.07733",
        "images": 8,
        "params": {"epochs": 3, "objective": "byol"},
        "torch": torch.__version__,
    }
    provenance |= {"data": "d" * 64, "lock": "1" * 64}
    return network.eval(), Config(encoder=encoder, images=images, features=width, seed=5, provenance=provenance)


def write_encoder(folder: Path, encoder: Encoder = TINY, *, channels: int = 1, side: int = 8, **pixels: Any) -> Config:
    """Write an encoder's folder as pretraining does."""
    network, config = make_encoder(encoder, channels=channels, side=side, **pixels)
    save_encoder(folder, network, config)
    export_onnx(network, folder / ONNX, config.images)
    return config


def save_begun(folder: Path, network: nn.Module, config: Config) -> nn.Module:
    """Write an encoder's folder as of a training that began with other weights; return the network that has these."""
    torch.manual_seed(2)
    start = build_encoder(config.encoder, channels=config.images.channels, side=config.images.side).eval()
    save_encoder(folder, network, config.model_copy(update={"start": BEGUN}), start.state_dict())
    return start
