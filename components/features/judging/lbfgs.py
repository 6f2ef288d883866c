"""L-BFGS for many convex problems at once (Liu & Nocedal, Mathematical Programming 45, 1989; two-loop recursion and
backtracking as in Nocedal & Wright, Numerical Optimization, 2006, algorithms 7.4 and 3.1).

Each problem has its own history, step and end; problems that have ended are no longer evaluated. The caller gives a
guess of the inverse Hessian's diagonal, which makes a handful of iterations enough where the features' variances differ
by orders of magnitude. P problems, A of them active, U unknowns, H remembered steps.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Evaluation = Callable[
    [Tensor, Tensor], tuple[Tensor, Tensor]
]  # (A, U), problem numbers (A,) -> values (A,), gradients (A, U)

MEMORY = 10  # H
HALVINGS = 30  # of a step, after which its problem counts as ended: rounding hides any further descent
SUFFICIENT = 1e-4  # share of the descent that the slope promises (Armijo's condition)


def minimise(
    objective: Evaluation, start: Tensor, *, inverse_hessian: Tensor, tolerance: float, iterations: int
) -> Tensor:
    """Minimise each problem until no entry of its gradient is above `tolerance`: (P, U) float64, (P, U) -> (P, U)."""
    point = start.clone()
    active = torch.arange(len(point), device=point.device)
    value, gradient = objective(point, active)
    history = History(point.shape, point)
    for _ in range(iterations):
        going = gradient.abs().amax(1) > tolerance
        active, value, gradient = active[going], value[going], gradient[going]
        if not len(active):
            break
        direction = -history.apply(gradient, inverse_hessian[active], active)
        before = point[active]
        after, new_value, new_gradient, moved = search_step(objective, before, value, gradient, direction, active)
        history.remember(after - before, new_gradient - gradient, active)
        point[active] = after
        active, value, gradient = active[moved], new_value[moved], new_gradient[moved]
    return point


def search_step(
    objective: Evaluation, point: Tensor, value: Tensor, gradient: Tensor, direction: Tensor, active: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Halve each step until it descends enough; return the new points, values, gradients and which moved (A,)."""
    slope = (gradient * direction).sum(1)  # (A,), below 0
    noise = 1e-7 * value.abs()  # rounding of values summed in single precision; near the end it hides the descent
    after, new_value, new_gradient = point.clone(), value.clone(), gradient.clone()
    step = torch.ones_like(value)
    left = torch.arange(len(active), device=point.device)
    for _ in range(HALVINGS):
        candidate = point[left] + step[left, None] * direction[left]
        values, gradients = objective(candidate, active[left])
        enough = values <= value[left] + SUFFICIENT * step[left] * slope[left] + noise[left]
        good = left[enough]
        after[good], new_value[good], new_gradient[good] = candidate[enough], values[enough], gradients[enough]
        left = left[~enough]
        if not len(left):
            break
        step[left] /= 2
    moved = torch.ones_like(value, dtype=torch.bool)
    moved[left] = False
    return after, new_value, new_gradient, moved


class History:
    """Remembers the last H steps of every problem and the changes of its gradient."""

    def __init__(self, shape: torch.Size, like: Tensor) -> None:
        self.steps, self.changes = (like.new_zeros(MEMORY, *shape) for _ in range(2))  # (H, P, U)
        self.curvature = like.new_zeros(MEMORY, shape[0])  # (H, P): step . change, 0 where there is nothing to learn
        self.order: list[int] = []  # places of the remembered steps, the oldest first

    def remember(self, step: Tensor, change: Tensor, active: Tensor) -> None:
        """Remember one more step of the active problems in place of the oldest."""
        place = len(self.order) if len(self.order) < MEMORY else self.order.pop(0)
        self.order.append(place)
        curvature = (step * change).sum(1)
        lengths = step.norm(dim=1) * change.norm(dim=1)
        self.steps[place, active], self.changes[place, active] = step, change
        self.curvature[place, active] = torch.where(curvature > 1e-10 * lengths, curvature, 0.0)

    def apply(self, gradient: Tensor, inverse_hessian: Tensor, active: Tensor) -> Tensor:
        """Multiply the gradient by the inverse Hessian as far as the history knows it: (A, U) -> (A, U)."""
        moved, shares = gradient.clone(), {}
        scale = gradient.new_ones(len(active))
        for place in reversed(self.order):
            step, change, weight = self._recall(place, active)
            shares[place] = weight * (step * moved).sum(1)
            moved -= shares[place][:, None] * change
            if place == self.order[-1]:  # the guess, scaled to the curvature that the last step met
                curvature, guessed = self.curvature[place, active], (change.square() * inverse_hessian).sum(1)
                scale = torch.where(curvature > 0, curvature / guessed, 1.0)
        moved *= scale[:, None] * inverse_hessian
        for place in self.order:
            step, change, weight = self._recall(place, active)
            moved += (shares[place] - weight * (change * moved).sum(1))[:, None] * step
        return moved

    def _recall(self, place: int, active: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        curvature = self.curvature[place, active]
        weight = torch.where(curvature > 0, 1 / curvature, 0.0)
        return self.steps[place, active], self.changes[place, active], weight
