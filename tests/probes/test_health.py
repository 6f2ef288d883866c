"""Health is checked against known distributions, made spectra and scikit-learn; it is finite for any encoder."""

import math

import numpy as np
import pytest
import torch
from scipy.special import hyp0f1
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from components.evaluate.outcome import Outcome
from components.probes.health import compute_eigenvalues, examine_features, fit_alpha_req


def draw_gaussian(images: int, features: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(images, features)).astype(np.float32))


def draw_with_spectrum(variances: np.ndarray, images: int = 400) -> torch.Tensor:
    """Draw features whose covariance has exactly these eigenvalues, along axes that are not the coordinates."""
    generator = np.random.default_rng(1)
    drawn = generator.normal(size=(images, len(variances)))
    scores, _ = np.linalg.qr(drawn - drawn.mean(0))  # orthonormal columns of mean 0
    axes, _ = np.linalg.qr(generator.normal(size=(len(variances), len(variances))))
    return torch.from_numpy(((scores * np.sqrt(images * variances)) @ axes.T + 5).astype(np.float32))


def read_numbers(outcome: Outcome) -> dict[str, float]:
    return {name: float(value) for name, value in outcome.metrics.items()}  # type: ignore[arg-type]


def test_even_directions_have_all_dimensions_and_the_uniformity_of_the_sphere() -> None:
    """For random directions in D dimensions, E exp(-2 |x - y|^2) = e^-4 E exp(4 x.y) = e^-4 0F1(D / 2, 4)."""
    numbers = read_numbers(examine_features(draw_gaussian(4000, 16), None))
    assert numbers["rank_me"] == pytest.approx(16, abs=0.05)
    assert numbers["uniformity"] == pytest.approx(-4 + math.log(hyp0f1(8, 4)), abs=0.02)
    assert numbers["z_std"] == pytest.approx(1 / 4, rel=0.01)
    assert (numbers["images"], numbers["dimensions"]) == (4000, 16)
    assert "alignment" not in numbers


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("dimensions", [8, 64, 300])
def test_alpha_is_the_exponent_of_a_power_law(alpha: float, dimensions: int) -> None:
    features = draw_with_spectrum(np.arange(1, dimensions + 1) ** -alpha)
    assert read_numbers(examine_features(features, None))["alpha_req"] == pytest.approx(alpha, rel=1e-3)


def test_alpha_of_another_spectrum_is_the_weighted_fit_over_ranks_4_to_100() -> None:
    values = np.exp(-np.arange(1, 151) / 40) * (1 + 0.3 * np.sin(np.arange(150)))
    ranks = np.arange(4, 101)
    fit = LinearRegression().fit(np.log(ranks)[:, None], np.log(values[3:100]), sample_weight=1 / ranks)
    assert fit_alpha_req(values) == pytest.approx(-fit.coef_[0], rel=1e-9)


def test_the_spectrum_is_that_of_a_principal_component_analysis() -> None:
    features = draw_gaussian(200, 12) * torch.linspace(0.1, 3, 12) + 7
    expected = PCA().fit(features.double().numpy())
    np.testing.assert_allclose(compute_eigenvalues(features), expected.explained_variance_ * 199 / 200, rtol=1e-6)
    curve = examine_features(features, None).curves["spectrum"]
    np.testing.assert_allclose(curve.y, expected.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_array_equal(curve.x, np.arange(1, 13))


@pytest.mark.parametrize(
    "features",
    [
        torch.zeros(50, 8),
        torch.full((50, 8), 0.1),
        torch.full((50, 8), 0.1) + 1e-8 * draw_gaussian(50, 8),
        draw_gaussian(50, 1).expand(50, 8),
        draw_gaussian(1, 8),
        draw_gaussian(2, 8),
    ],
    ids=["zeros", "equal", "equal but for rounding", "on a line", "one image", "two images"],
)
def test_a_collapsed_encoder_gets_finite_numbers_and_no_exponent(features: torch.Tensor) -> None:
    outcome = examine_features(features, (features, features))
    numbers = read_numbers(outcome)
    assert all(np.isfinite(value) for value in numbers.values())
    assert np.isfinite(outcome.curves["spectrum"].y).all()
    assert numbers["alignment"] == pytest.approx(0, abs=1e-12)
    assert "alpha_req" not in numbers


def test_fewer_images_than_dimensions_are_judged_by_the_ranks_that_there_are() -> None:
    """Ten images span nine directions about their mean: the rest is rounding, and would make any exponent huge."""
    features = draw_gaussian(10, 64)
    assert (compute_eigenvalues(features) > 0).sum() == 9
    numbers = read_numbers(examine_features(features, None))
    assert 0 < numbers["alpha_req"] < 2
    assert 1 < numbers["rank_me"] <= 10
