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


def compute_rank(features: torch.Tensor) -> float:
    """Compute RankMe from singular values that were found without squares."""
    singular = torch.linalg.svdvals(features.double())
    share = singular[singular > 0] / singular.sum()
    return math.exp(-float((share * share.log()).sum()))


@pytest.mark.parametrize("size", [(500, 64), (40, 300), (64, 64), (1, 8)], ids=str)
def test_the_rank_is_that_of_the_singular_values(size: tuple[int, int]) -> None:
    features = draw_gaussian(*size)
    assert rank_me(features) == pytest.approx(compute_rank(features), rel=1e-12)
    uneven = features * torch.logspace(0, -6, size[1])  # the square one has a singular value that drowns
    assert rank_me(uneven) == pytest.approx(compute_rank(uneven), rel=1e-12 if size[0] != size[1] else 1e-6)


@pytest.mark.parametrize("size", [(400, 64), (40, 300)], ids=str)
@pytest.mark.parametrize("rank", [1, 5])
def test_the_rank_of_few_directions_is_not_raised_by_rounding(size: tuple[int, int], rank: int) -> None:
    features = draw_gaussian(size[0], rank).double() @ draw_gaussian(rank, size[1]).double()
    assert rank_me(features) == pytest.approx(compute_rank(features), rel=1e-9)


@pytest.mark.parametrize("deviation", [1e-6, 1e-7, 1e-8])
def test_what_squares_lose_is_less_than_a_thousandth_of_a_dimension(deviation: float) -> None:
    nearly_collapsed = draw_gaussian(1, 64).double() + deviation * draw_gaussian(400, 64).double()
    assert rank_me(nearly_collapsed) == pytest.approx(compute_rank(nearly_collapsed), abs=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_features_on_a_gpu_have_the_same_numbers() -> None:
    first, second = draw_gaussian(700, 64), draw_gaussian(700, 64) + 1
    for measure in (z_std, spread, rank_me, uniformity):
        assert measure(first.cuda()) == pytest.approx(measure(first), rel=1e-9)
    assert alignment(first.cuda(), second.cuda()) == pytest.approx(alignment(first, second), rel=1e-9)


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
