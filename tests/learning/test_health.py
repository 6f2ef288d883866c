"""Tests the measures of collapse on matrices whose values are known."""

import math

import pytest
import torch

from components.learning import health
from components.learning.health import alignment, rank_me, spread, uniformity, z_std


def draw_gaussian(images: int, features: int) -> torch.Tensor:
    return torch.randn(images, features, generator=torch.Generator().manual_seed(0))


def test_an_encoder_that_answers_alike_is_seen_as_collapsed() -> None:
    collapsed = draw_gaussian(1, 16).expand(50, 16)
    assert z_std(collapsed) == pytest.approx(0, abs=1e-12)
    assert rank_me(collapsed) == pytest.approx(1, abs=1e-9)


def test_a_collapse_onto_one_line_is_seen_although_the_lengths_vary() -> None:
    on_a_line = draw_gaussian(50, 1).abs() * draw_gaussian(1, 16)
    assert z_std(on_a_line) == pytest.approx(0, abs=1e-6)
    assert rank_me(on_a_line) == pytest.approx(1, abs=1e-3)


def test_dead_features_give_numbers_and_not_nan() -> None:
    assert z_std(torch.zeros(10, 4)) == 0
    assert rank_me(torch.zeros(10, 4)) == 1


@pytest.mark.parametrize("features", [2, 7, 64])
def test_orthonormal_features_have_full_rank(features: int) -> None:
    """Each column of the identity has one 1, so its variance is (1/D)(1 - 1/D) D/(D - 1) = 1/D."""
    assert rank_me(torch.eye(features)) == pytest.approx(features, rel=1e-9)
    assert z_std(torch.eye(features)) == pytest.approx(features**-0.5, rel=1e-9)


def test_the_rank_of_unequal_directions_is_the_exponential_of_their_entropy() -> None:
    """Singular values 3 and 1 have shares 3/4 and 1/4 and entropy 0.5623351."""
    features = torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    assert rank_me(features) == pytest.approx(math.exp(0.5623351), abs=1e-6)


def test_the_rank_does_not_change_with_scale_rotation_or_padding() -> None:
    features = draw_gaussian(60, 8).double()
    rotation = torch.linalg.qr(draw_gaussian(8, 8).double()).Q
    assert rank_me(100 * features @ rotation) == pytest.approx(rank_me(features), rel=1e-9)
    assert rank_me(torch.cat([features, torch.zeros(60, 24)], 1)) == pytest.approx(rank_me(features), rel=1e-9)


@pytest.mark.parametrize("features", [16, 128])
def test_spread_features_have_the_deviation_that_the_report_calls_healthy(features: int) -> None:
    assert z_std(draw_gaussian(4000, features)) == pytest.approx(features**-0.5, rel=0.02)


def test_the_spread_of_even_directions_is_one_whatever_their_number() -> None:
    assert spread(draw_gaussian(4000, 16)) == pytest.approx(1, rel=0.02)
    assert spread(draw_gaussian(4000, 128)) == pytest.approx(1, rel=0.02)
    assert spread(draw_gaussian(1, 16).expand(50, 16)) == pytest.approx(0, abs=1e-12)


def compute_reference(features: torch.Tensor) -> float:
    """Compute uniformity by Wang & Isola's own lines: torch.pdist, squared, times -2, exp, mean, log."""
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    return float(torch.pdist(unit).pow(2).mul(-2).exp().mean().log())


@pytest.mark.parametrize("images", [2, 37, health.ROWS, health.ROWS + 1, 2 * health.ROWS + 5])
def test_uniformity_is_that_of_its_paper_in_portions_too(images: int) -> None:
    features = draw_gaussian(images, 6)
    assert uniformity(features) == pytest.approx(compute_reference(features), rel=1e-10)


def test_uniformity_of_known_places() -> None:
    """Opposite points are 2 apart, log exp(-2 * 4) = -8; equal points are 0 apart and give 0."""
    opposite = torch.tensor([[3.0, 0.0], [-0.1, 0.0]])
    assert uniformity(opposite) == pytest.approx(-8)
    assert uniformity(torch.ones(40, 3)) == pytest.approx(0, abs=1e-12)
    assert uniformity(torch.ones(1, 3)) == 0
    assert uniformity(torch.zeros(40, 3)) == 0


def test_alignment_is_the_squared_distance_of_directions() -> None:
    """Right angles give |(1, 0) - (0, 1)|^2 = 2, opposite directions 4; the lengths do not matter."""
    first = torch.tensor([[5.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    second = torch.tensor([[0.0, 0.1], [-3.0, 0.0], [7.0, 0.0]])
    assert alignment(first, second) == pytest.approx((2 + 4 + 0) / 3)
    assert alignment(torch.zeros(4, 3), torch.zeros(4, 3)) == 0


def test_features_that_only_became_smaller_have_not_collapsed_until_nothing_is_left_of_them() -> None:
    """No probe sees their length: cosines and standardised features are the same. At 1e-13 no direction is left."""
    features = draw_gaussian(50, 16).double()
    assert z_std(1e-6 * features) == pytest.approx(z_std(features), rel=1e-9)
    assert z_std(1e-15 * features) < 0.01 * z_std(features)
