"""Tests BYOL's loss against squared distances of normalised vectors in float64 NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from components.byol.objective import regression_loss
from components.learning.engine import Engine
from components.learning.objective import Pair
from tests.pretrain.tiny import CPU, build_byol


def squared_distance(prediction: Tensor, target: Tensor) -> float:
    """Compute the mean over the rows of ||p/|p| - z/|z|||^2 in float64."""
    p, z = prediction.detach().double().numpy(), target.detach().double().numpy()
    p, z = p / np.sqrt((p**2).sum(1, keepdims=True)), z / np.sqrt((z**2).sum(1, keepdims=True))
    return float(((p - z) ** 2).sum(1).mean())


def byol_loss(predictions: Pair, targets: Pair) -> Tensor:
    """Compute the objective's loss of two views for which the networks give these predictions and targets."""

    def answer_with(answers: Pair) -> Callable[[Tensor], Tensor]:
        return lambda view: answers[int(view)]

    engine = Engine({"online": answer_with(predictions), "target": answer_with(targets)}, CPU, torch.float32)
    return build_byol().loss((torch.tensor(0), torch.tensor(1)), engine).total


def draw_tensors(*shape: int, count: int = 4, seed: int = 0, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=dtype) * 3 for _ in range(count)]


@pytest.mark.parametrize(
    ("prediction", "target", "expected"),
    [
        ([[1.0, 0.0]], [[1.0, 0.0]], 0.0),
        ([[1.0, 0.0]], [[-1.0, 0.0]], 4.0),
        ([[1.0, 0.0]], [[0.0, 1.0]], 2.0),
        ([[3.0, 4.0]], [[400.0, 300.0]], 0.08),  # cos = 24/25, whatever the lengths
        ([[1.0, 0.0], [1.0, 0.0]], [[5.0, 0.0], [-0.1, 0.0]], 2.0),  # mean over the batch of 0 and 4
    ],
    ids=["equal", "opposite", "orthogonal", "3-4-5", "batch"],
)
def test_one_direction_is_the_value_worked_out_by_hand(
    prediction: list[list[float]], target: list[list[float]], expected: float
) -> None:
    assert float(regression_loss(torch.tensor(prediction), torch.tensor(target))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_both_directions_are_added_and_not_averaged(seed: int) -> None:
    """An average would silently halve every published learning rate."""
    p0, p1, z0, z1 = draw_tensors(16, 8, seed=seed)
    expected = squared_distance(p0, z1) + squared_distance(p1, z0)
    assert float(byol_loss((p0, p1), (z0, z1))) == pytest.approx(expected, rel=1e-5)


def test_a_view_predicts_the_other_view_and_not_itself() -> None:
    a, b = draw_tensors(8, 4, count=2)
    assert float(byol_loss((a, b), (b, a))) == pytest.approx(0, abs=1e-5)
    assert float(byol_loss((a, b), (a, b))) == pytest.approx(2 * squared_distance(a, b), rel=1e-5)


def test_the_loss_stays_in_its_range_and_reaches_both_ends() -> None:
    for seed in range(20):
        p0, p1, z0, z1 = draw_tensors(2, 3, seed=seed)
        assert 0 <= float(regression_loss(p0, z1)) <= 4
        assert 0 <= float(byol_loss((p0, p1), (z0, z1))) <= 8
    assert float(byol_loss((p0, p1), (-p1, -p0))) == pytest.approx(8, abs=1e-5)


def test_lengths_do_not_count() -> None:
    p0, p1, z0, z1 = draw_tensors(8, 4)
    scaled = byol_loss((p0 * 1000, p1 * 0.01), (z0 * 7, z1 * 0.5))
    assert float(scaled) == pytest.approx(float(byol_loss((p0, p1), (z0, z1))), rel=1e-5)


def test_no_gradient_reaches_the_target() -> None:
    """A gradient into the target would let both networks agree on a constant."""
    p0, p1, z0, z1 = (tensor.requires_grad_() for tensor in draw_tensors(8, 4))
    byol_loss((p0, p1), (z0, z1)).backward()
    assert z0.grad is None
    assert z1.grad is None
    assert p0.grad.abs().max() > 0
    assert p1.grad.abs().max() > 0


def test_the_gradient_is_the_derivative_of_the_squared_distance() -> None:
    """By hand: d/dp of -2 cos is -2 (z/|z| - cos p/|p|) / |p|, over a batch of B divided by B."""
    p0, p1, z0, z1 = draw_tensors(5, 6, dtype=torch.float64)
    p0.requires_grad_()
    byol_loss((p0, p1), (z0, z1)).backward()
    p, z = p0.detach().numpy(), z1.numpy()
    length = np.sqrt((p**2).sum(1, keepdims=True))
    p, z = p / length, z / np.sqrt((z**2).sum(1, keepdims=True))
    expected = -2 * (z - (p * z).sum(1, keepdims=True) * p) / length / len(p)
    np.testing.assert_allclose(p0.grad.numpy(), expected, rtol=1e-9, atol=1e-12)
