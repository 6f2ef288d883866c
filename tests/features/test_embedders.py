"""Tests the precision in which the features are computed."""

import pytest
import torch
from torch import nn

from components.features import embedders
from components.features.load import LoadedEncoder
from tests.encoder.made import make_encoder


class TypeRecorder(nn.Module):
    """A network that records the type of its convolution's output."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.types = nn.Conv2d(3, 2, 3), []

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # noqa: D102
        features: torch.Tensor = self.convolution(images)
        self.types.append(features.dtype)
        return features.flatten(1)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_networks_compute_in_that_precision_and_features_are_float32(precision: torch.dtype) -> None:
    network, (_, config) = TypeRecorder(), make_encoder(channels=3)
    made = embedders.make_embedders(LoadedEncoder(network, config), None, torch.device("cpu"), precision, pixels_side=4)
    features = made["byol"](torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    assert network.types == [precision]
    assert features.dtype == torch.float32
    assert made["byol"].precision == made["random"].precision == precision
    assert made["pixels"].precision == torch.float32, "no network computes them"
