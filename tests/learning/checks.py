"""Helpers that the tests of the views share: images, random numbers, and checks within five standard errors."""

import math

import pytest
import torch
from torch import Tensor

from components.learning.geometry import Uniforms
from components.learning.views import AMPLE

SIDE = 16
MANY = 8000


def make_generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_uniforms(batch: int) -> Uniforms:
    """Make as many uniform numbers as any view of a batch needs."""
    return Uniforms(torch.rand(batch * AMPLE, generator=make_generator()))


def draw_photos(batch: int, channels: int = 3, side: int = SIDE) -> Tensor:
    """Draw uniform noise, in which no mistake hides since all pixels differ; some pixels are gray, black and white."""
    images = torch.rand(batch, channels, side, side, generator=make_generator(9))
    images[:, :, 0, 0], images[:, :, 0, 1], images[:, :, 0, 2] = 0, 1, 0.5
    return images


def assert_uniform(values: Tensor, low: float, high: float) -> None:
    """Assert the bounds, mean and variance of a uniform distribution, within five standard errors of MANY draws."""
    assert low - 1e-5 <= float(values.min())
    assert float(values.max()) <= high + 1e-5
    assert float(values.mean()) == pytest.approx((low + high) / 2, abs=5 * (high - low) / math.sqrt(12 * MANY))
    assert float(values.var()) == pytest.approx((high - low) ** 2 / 12, rel=0.06)


def assert_frequency(values: Tensor, probability: float) -> None:
    """Assert that a share of `values` is true, within five standard errors."""
    error = 5 * math.sqrt(probability * (1 - probability) / len(values))
    assert float(values.float().mean()) == pytest.approx(probability, abs=error)
