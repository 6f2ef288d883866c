"""Tests BYOL's loss against squared distances of normalised vectors in float64 NumPy."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from components.byol.objective import regression_loss
from components.learning.engine import Engine
from components.learning.objective import ViewSet
from tests.pretrain.tiny import CPU, build_byol


def squared_distance(prediction: Tensor, target: Tensor) -> float:
    """Compute the mean over the rows of ||p/|p| - z/|z|||^2 in float64."""
    p, z = prediction.detach().double().numpy(), target.detach().double().numpy()
    p, z = p / np.sqrt((p**2).sum(1, keepdims=True)), z / np.sqrt((z**2).sum(1, keepdims=True))
    return float(((p - z) ** 2).sum(1).mean())


def byol_loss(predictions: Sequence[Tensor], projections: Sequence[Tensor], *, apart: bool = False) -> Tensor:
    """Compute the objective's loss of views for which the networks give these predictions and projections.

    The target sees the online network's views, or with `apart` views of its own. A network that sees what it should not
    has no answer.
    """
    seen = [torch.tensor(float(number)) for number in range(len(predictions))]
    own = [torch.tensor(100.0 + number) for number in range(len(projections))] if apart else []

    def answer_with(views: list[Tensor], answers: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
        by_view = {float(view): answer for view, answer in zip(views, answers, strict=True)}
        return lambda view: by_view[float(view)]

    networks = {"online": answer_with(seen, predictions), "target": answer_with(own or seen, projections)}
    return build_byol().loss(ViewSet(tuple(seen), tuple(own)), Engine(networks, CPU, torch.float32)).total


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


def average_normalised(projections: Sequence[Tensor]) -> Tensor:
    """Compute the mean of z/|z| in float64."""
    each = [z.detach().double().numpy() for z in projections]
    return torch.from_numpy(np.mean([z / np.sqrt((z**2).sum(1, keepdims=True)) for z in each], axis=0))


def test_each_of_four_views_predicts_the_mean_of_the_other_three() -> None:
    """Lengths do not count in that mean, and four views weigh as much as two."""
    predictions, projections = draw_tensors(16, 8), draw_tensors(16, 8, seed=1)
    projections[2] *= 100
    directions = [
        squared_distance(predicted, average_normalised(projections[:place] + projections[place + 1 :]))
        for place, predicted in enumerate(predictions)
    ]
    expected = 2 * sum(directions) / 4
    assert float(byol_loss(predictions, projections)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("online", [2, 3])
@pytest.mark.parametrize("target", [1, 3])
def test_every_view_predicts_the_mean_of_the_targets_own_views(online: int, target: int) -> None:
    predictions, projections = draw_tensors(16, 8, count=online), draw_tensors(16, 8, count=target, seed=1)
    goal = average_normalised(projections)
    expected = 2 * sum(squared_distance(predicted, goal) for predicted in predictions) / online
    assert float(byol_loss(predictions, projections, apart=True)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_views_are_the_papers_two_directions_to_the_bit(dtype: torch.dtype) -> None:
    """A published run that were repeated with another rounding would not give its numbers again."""
    p0, p1, z0, z1 = draw_tensors(16, 8, dtype=dtype)
    assert torch.equal(byol_loss((p0, p1), (z0, z1)), regression_loss(p0, z1) + regression_loss(p1, z0))


@pytest.mark.parametrize("apart", [False, True])
def test_of_many_views_too_no_gradient_reaches_the_target(apart: bool) -> None:
    predictions, projections = draw_tensors(8, 4, count=3), draw_tensors(8, 4, count=3, seed=1)
    for tensor in (*predictions, *projections):
        tensor.requires_grad_()
    byol_loss(predictions, projections, apart=apart).backward()
    assert all(z.grad is None for z in projections)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in predictions)


def test_many_views_reach_both_ends_of_the_range_of_two() -> None:
    (p,) = draw_tensors(8, 4, count=1)
    assert float(byol_loss([p] * 5, [p] * 5)) == pytest.approx(0, abs=1e-5)
    assert float(byol_loss([p] * 5, [-p] * 5)) == pytest.approx(8, abs=1e-5)
