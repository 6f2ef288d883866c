"""Batched L-BFGS is checked against SciPy's, problem by problem."""

import itertools

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from components.features.judging.lbfgs import Evaluation, minimise


def make_quadratics(count: int, size: int) -> tuple[Evaluation, Tensor]:
    """Make problems whose curvatures differ a thousandfold; return them and their minima: (P, U)."""
    generator = torch.Generator().manual_seed(0)
    turned, _ = torch.linalg.qr(torch.randn(count, size, size, generator=generator, dtype=torch.float64))
    curved = torch.logspace(-1.5, 1.5, size, dtype=torch.float64)
    matrices = turned * curved @ turned.transpose(1, 2)  # (P, U, U)
    minima = torch.randn(count, size, generator=generator, dtype=torch.float64)

    def objective(point: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        away = point - minima[active]
        pulled = (matrices[active] @ away[..., None])[..., 0]
        return (away * pulled).sum(1) / 2, pulled

    return objective, minima


def test_every_problem_ends_at_its_own_minimum() -> None:
    objective, minima = make_quadratics(5, 12)
    start = torch.zeros(5, 12, dtype=torch.float64)
    minimum = minimise(objective, start, inverse_hessian=torch.ones_like(start), tolerance=1e-9, iterations=300)
    torch.testing.assert_close(minimum, minima, atol=1e-6, rtol=0)
    assert not start.any(), "the start is left as it was"


def test_a_curved_valley_is_followed_as_scipy_follows_it() -> None:
    """Rosenbrock's function, whose full steps overshoot: without halving them it diverges."""

    def rosenbrock(x: np.ndarray) -> tuple[float, np.ndarray]:
        value = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        return value, np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])

    def objective(point: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        pairs = [rosenbrock(start) for start in point.numpy()]
        return torch.tensor([value for value, _ in pairs]), torch.from_numpy(np.array([slope for _, slope in pairs]))

    starts = np.array([[-1.2, 1.0], [0.0, 0.0], [2.0, 2.0]])
    expected = [minimize(rosenbrock, start, jac=True, method="L-BFGS-B").x for start in starts]
    begin = torch.from_numpy(starts)
    minimum = minimise(objective, begin, inverse_hessian=torch.ones_like(begin), tolerance=1e-8, iterations=200)
    np.testing.assert_allclose(minimum, expected, atol=1e-3)


def test_a_problem_that_has_ended_is_not_evaluated_again() -> None:
    asked: list[list[int]] = []

    def objective(point: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(active.tolist())
        return (point.square() / 2).sum(1), point.clone()

    start = torch.tensor([[0.0, 0.0], [3.0, -1.0]], dtype=torch.float64)
    minimise(objective, start, inverse_hessian=torch.full_like(start, 0.5), tolerance=1e-6, iterations=50)
    assert asked[0] == [0, 1]
    assert all(active == [1] for active in asked[1:])


def test_iterations_that_run_out_leave_the_best_so_far() -> None:
    objective, _ = make_quadratics(2, 12)
    start = torch.zeros(2, 12, dtype=torch.float64)
    everyone = torch.arange(2)
    values = [
        objective(
            minimise(objective, start, inverse_hessian=torch.ones_like(start), tolerance=1e-12, iterations=n), everyone
        )[0]
        for n in (0, 1, 3, 9)
    ]
    for before, after in itertools.pairwise(values):
        assert (after < before).all()
