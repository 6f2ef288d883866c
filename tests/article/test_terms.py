"""Tests the article's terms against independent float64 references, their gradients, and their extreme values."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import Tensor
from torch.autograd import gradcheck

from components.article.objective import (
    adversarial_loss,
    centre_loss,
    contrastive_loss,
    raise_precision,
    reverse_gradient,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sum_pairs(features: Tensor) -> float:
    """Compute the centre loss pair by pair, as section 4.1 writes it."""
    rows = features.numpy()
    total = 0.0
    for i, row in enumerate(rows):
        total += sum(float(((row - other_row) ** 2).sum()) for j, other_row in enumerate(rows) if j != i) / (
            len(rows) - 1
        )
    return total / len(rows)


@pytest.mark.parametrize(("images", "features"), [(2, 1), (3, 5), (40, 7)])
def test_the_centre_loss_is_the_double_sum(images: int, features: int) -> None:
    z = 3 * draw(images, features) + 100  # an offset that a difference of two large sums would drown in
    assert float(centre_loss(z)) == pytest.approx(sum_pairs(z), rel=1e-10)


def test_the_centre_loss_of_known_places() -> None:
    """The corners of a triangle with sides 3, 4, 5 give the mean of 9, 16 and 25."""
    assert float(centre_loss(torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]))) == pytest.approx(50 / 3)


def test_the_centre_loss_is_least_where_the_encoder_has_collapsed() -> None:
    assert float(centre_loss(draw(1, 6).expand(9, 6))) == pytest.approx(0, abs=1e-20)
    assert float(centre_loss(draw(1, 6))) == 0, "one image has no other"


def test_the_contrastive_loss_is_minus_the_mean_log_of_the_logistic_function() -> None:
    products = 5 * draw(30, 1)
    expected = -np.log(expit(products.numpy())).mean()
    assert float(contrastive_loss(products)) == pytest.approx(expected, rel=1e-10)


def test_the_contrastive_loss_agrees_with_the_article_where_that_has_a_value_and_is_monotone() -> None:
    """For a positive product both are 0; section 4.2 wants large products, so a negative one costs more."""
    values = [float(contrastive_loss(torch.tensor([[product]]))) for product in (-100.0, -1.0, 0.0, 1.0, 100.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0, abs=1e-12)
    assert values[2] == pytest.approx(math.log(2))
    assert values[0] == pytest.approx(100)


def test_the_adversarial_loss_is_scikit_learns_log_loss_and_log_2_where_nothing_can_be_told() -> None:
    from sklearn.metrics import log_loss

    original, rebuilt = 2 * draw(12, 1), 2 * draw(12, 1, seed=1)
    chances = expit(torch.cat([original, rebuilt]).numpy()).ravel()
    expected = log_loss([1] * 12 + [0] * 12, chances)
    assert float(adversarial_loss(original, rebuilt)) == pytest.approx(expected, rel=1e-10)
    assert float(adversarial_loss(torch.zeros(3, 1), torch.zeros(3, 1))) == pytest.approx(math.log(2))
    assert float(adversarial_loss(torch.full((3, 1), 9.0), torch.full((3, 1), -9.0))) < 0.001, "told well"


LOSSES: dict[str, tuple[Callable[..., Tensor], int]] = {
    "centre": (centre_loss, 4),
    "contrastive": (contrastive_loss, 1),
    "adversarial": (lambda both: adversarial_loss(both[:3], both[3:]), 1),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_the_derivative(name: str) -> None:
    loss, width = LOSSES[name]
    assert gradcheck(loss, (draw(6, width).requires_grad_(),))


def test_the_gradient_of_the_product_reaches_features_and_direction() -> None:
    features, direction = draw(6, 4).requires_grad_(), draw(4, 1, seed=1).requires_grad_()
    assert gradcheck(lambda z, w: contrastive_loss(z @ w), (features, direction))


def test_the_reversal_changes_no_value_and_turns_the_gradient_round() -> None:
    """gradcheck must fail for the reversal, since its gradient is minus the derivative."""
    features = draw(6, 4).requires_grad_()
    assert torch.equal(reverse_gradient(features, 0.3), features)
    assert not gradcheck(lambda z: reverse_gradient(z, 1.0).square().sum(), (features,), raise_exception=False)
    (plain,) = torch.autograd.grad(features.square().sum(), features)
    (turned,) = torch.autograd.grad(reverse_gradient(features, 0.25).square().sum(), features)
    assert torch.equal(turned, -0.25 * plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("images", [1, 2, 8])
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_are_finite_to_the_ends(name: str, images: int, scale: float, dtype: torch.dtype) -> None:
    """This holds for one image, equal features (scale 0), and features of 1e4, whose squares bfloat16 cannot sum."""
    loss, width = LOSSES[name]
    rows = 6 if name == "adversarial" else images
    for values in (scale * draw(rows, 64 if width > 1 else 1), scale * torch.ones(rows, 64 if width > 1 else 1)):
        features = values.to(dtype).requires_grad_()
        value = loss(raise_precision(features))
        assert value.dtype == torch.float32
        assert bool(value.isfinite())
        (gradient,) = torch.autograd.grad(value, features)
        assert bool(gradient.isfinite().all())
        if name == "centre" and images > 1:
            expected = sum_pairs(features.detach().double())
            assert float(value) == pytest.approx(expected, rel=1e-4, abs=1e-3)
