"""What the tests of the views share: images, generators, and checks of distributions within five standard errors."""

import math

import pytest
import torch
from torch import Tensor

SIDE = 16
MANY = 8000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(batch: int, channels: int = 3, side: int = SIDE) -> Tensor:
    """Uniform noise: every pixel another one, so that no mistake hides; some are gray, black and white."""
    images = torch.rand(batch, channels, side, side, generator=generator(9))
    images[:, :, 0, 0], images[:, :, 0, 1], images[:, :, 0, 2] = 0, 1, 0.5
    return images


def uniform(values: Tensor, low: float, high: float) -> None:
    """Bounds, mean and variance of a uniform distribution; five standard errors of MANY draws."""
    assert low - 1e-5 <= float(values.min())
    assert float(values.max()) <= high + 1e-5
    assert float(values.mean()) == pytest.approx((low + high) / 2, abs=5 * (high - low) / math.sqrt(12 * MANY))
    assert float(values.var()) == pytest.approx((high - low) ** 2 / 12, rel=0.06)


def frequency(values: Tensor, probability: float) -> None:
    """Five standard errors of a share."""
    error = 5 * math.sqrt(probability * (1 - probability) / len(values))
    assert float(values.float().mean()) == pytest.approx(probability, abs=error)
