"""Tests LARS against its paper's formula in a float64 loop, one tensor at a time, and the formula's edge cases."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim

from components.learning.lars import LARS

SETTINGS: dict[str, Any] = {"lr": 0.3, "momentum": 0.9, "trust_coefficient": 0.02, "trust_clip": False}
SHAPES = [(4, 3), (2, 3, 3, 3), (5, 1)]
STEPS = 6


def draw_weights(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in SHAPES]


def draw_gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


def take_steps(optimiser: optim.Optimizer, parameters: list[nn.Parameter], first: int, last: int) -> None:
    for step in range(first, last):
        for parameter, gradient in zip(parameters, draw_gradients(step), strict=True):
            parameter.grad = gradient
        optimiser.step()


def compute_reference(weight: np.ndarray, moves: list[np.ndarray], *, decay: float, clip: bool) -> np.ndarray:
    """Compute You et al.'s algorithm 1 step by step for one weight, with the momentum outside the rate, as in BYOL."""
    velocity = np.zeros_like(weight)
    for gradient in moves:
        update = gradient + decay * weight
        trust = 0.02 * np.sqrt((weight**2).sum()) / np.sqrt((update**2).sum())
        if clip:
            trust = min(trust / 0.3, 1.0)
        velocity = 0.9 * velocity + trust * update
        weight = weight - 0.3 * velocity
    return weight


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_it_takes_the_steps_of_its_paper(decay: float, clip: bool) -> None:
    parameters = draw_weights()
    group = {"params": parameters, "weight_decay": decay, "adapt": True}
    take_steps(LARS([group], **SETTINGS | {"trust_clip": clip}), parameters, 0, STEPS)
    for number, (begun, ended) in enumerate(zip(draw_weights(), parameters, strict=True)):
        moves = [draw_gradients(step)[number].numpy() for step in range(STEPS)]
        expected = compute_reference(begun.detach().numpy(), moves, decay=decay, clip=clip)
        np.testing.assert_allclose(ended.detach().numpy(), expected, rtol=1e-12)


def test_without_adaptation_it_is_torchs_sgd() -> None:
    parameters, references = draw_weights(), draw_weights()
    take_steps(LARS([{"params": parameters, "weight_decay": 0.01, "adapt": False}], **SETTINGS), parameters, 0, STEPS)
    take_steps(optim.SGD(references, lr=0.3, momentum=0.9, weight_decay=0.01), references, 0, STEPS)
    for weight, reference in zip(parameters, references, strict=True):
        torch.testing.assert_close(weight, reference, rtol=1e-12, atol=0)


def take_one_step(weight: list[float], gradient: list[float], **changes: Any) -> list[float]:
    parameter = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
    parameter.grad = torch.tensor(gradient, dtype=torch.float64)
    LARS([{"params": [parameter], "weight_decay": 0.0, "adapt": True}], **SETTINGS | changes).step()
    moved: list[float] = parameter.detach().tolist()
    return moved


def test_weights_of_zero_leave_zero() -> None:
    """A trust of |w| / |u| = 0 would keep a layer that begins at zero there forever."""
    assert take_one_step([0.0, 0.0], [3.0, 4.0]) == pytest.approx([-0.9, -1.2])


def test_a_gradient_of_zero_moves_nothing_and_makes_no_nan() -> None:
    assert take_one_step([3.0, 4.0], [0.0, 0.0]) == [3.0, 4.0]


@pytest.mark.parametrize("clip", [False, True])
def test_a_rate_of_zero_as_warm_up_begins_with_moves_nothing(clip: bool) -> None:
    assert take_one_step([3.0, 4.0], [1.0, 1.0], lr=0.0, trust_clip=clip) == [3.0, 4.0]


def test_a_clipped_layer_is_never_faster_than_the_rate() -> None:
    """With |w| / |u| = 500 the trust is 0.02 * 500 = 10, more than the rate: the step is 0.3 * g, as SGD's."""
    assert take_one_step([300.0, 400.0], [0.6, 0.8], trust_clip=True) == pytest.approx([300 - 0.18, 400 - 0.24])
    assert take_one_step([300.0, 400.0], [0.6, 0.8]) == pytest.approx([300 - 1.8, 400 - 2.4])


def test_parameters_without_a_gradient_stay_and_are_given_no_memory() -> None:
    parameters = draw_weights()
    optimiser = LARS([{"params": parameters, "weight_decay": 0.1, "adapt": True}], **SETTINGS)
    parameters[0].grad = draw_gradients(0)[0]
    optimiser.step()
    assert torch.equal(parameters[1], draw_weights()[1])
    assert list(optimiser.state) == [parameters[0]]


def test_it_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    whole, first, second = draw_weights(), draw_weights(), draw_weights()
    group = {"weight_decay": 0.01, "adapt": True}
    take_steps(LARS([{"params": whole, **group}], **SETTINGS), whole, 0, STEPS)
    begun = LARS([{"params": first, **group}], **SETTINGS)
    take_steps(begun, first, 0, 2)
    with torch.no_grad():
        for old, new in zip(first, second, strict=True):
            new.copy_(old)
    resumed = LARS([{"params": second, **group}], **SETTINGS)
    resumed.load_state_dict(begun.state_dict())
    take_steps(resumed, second, 2, STEPS)
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))
