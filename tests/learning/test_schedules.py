"""Tests the learning rate against values worked out by hand."""

from itertools import pairwise

import pytest

from components.learning import schedules
from components.learning.params import Constant, Cosine, Decay, LateCosine, Step

COSINE, CONSTANT = Cosine(name="cosine"), Constant(name="constant")
LATE = LateCosine(name="late_cosine", hold=0.6)
HALVES = Step(name="step", factor=0.5, every_epochs=2)


def learning_rate(step: int, steps: int, *, base: float, warmup: int, decay: Decay = COSINE) -> float:
    """Compute the learning rate for three steps per epoch."""
    return schedules.learning_rate(step, steps, base=base, warmup=warmup, decay=decay, epoch=3)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.0),  # warm-up: 0.8 * step / 4
        (1, 0.2),
        (2, 0.4),
        (3, 0.6),
        (4, 0.8),  # 0.4 * (1 + cos 0)
        (6, 0.6828427),  # 0.4 * (1 + sqrt(2) / 2): 2 of 8 cosine steps, 45 degrees
        (8, 0.4),  # 90 degrees
        (10, 0.1171573),  # 135 degrees
        (11, 0.0304482),  # 157.5 degrees: 0.4 * (1 - 0.9238795)
        (12, 0.0),  # 180 degrees
    ],
)
def test_the_learning_rate_warms_up_to_its_base_and_falls_along_a_cosine(step: int, expected: float) -> None:
    assert learning_rate(step, 12, base=0.8, warmup=4) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("step", "expected"), [(0, 2.0), (1, 1.5), (2, 0.5), (3, 0.0)])
def test_without_warmup_the_first_step_has_the_whole_rate(step: int, expected: float) -> None:
    assert learning_rate(step, 3, base=2.0, warmup=0) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("warmup", "expected"), [(4, [0.0, 0.25, 0.5, 0.75]), (8, [0.0, 0.125, 0.25, 0.375])], ids=["as long", "longer"]
)
def test_a_run_that_is_all_warmup_neither_divides_by_zero_nor_decays(warmup: int, expected: list[float]) -> None:
    assert [learning_rate(step, 4, base=1.0, warmup=warmup) for step in range(4)] == pytest.approx(expected)


def test_the_learning_rate_rises_then_falls_and_never_leaves_zero_to_base() -> None:
    rates = [learning_rate(step, 200, base=0.3, warmup=20) for step in range(200)]
    assert all(a < b for a, b in pairwise(rates[:21]))
    assert all(a > b for a, b in pairwise(rates[20:]))
    assert max(rates) == rates[20] == pytest.approx(0.3)
    assert min(rates) == rates[0] == 0


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        (CONSTANT, [0.0, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]),
        # two epochs of three steps from the end of the warm-up, at step 2: halved at 8 and at 14
        (HALVES, [0.0, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.2]),
    ],
    ids=["constant", "step"],
)
def test_a_rate_that_stays_and_one_that_falls_by_steps(decay: Decay, expected: list[float]) -> None:
    rates = [learning_rate(step, 15, base=0.8, warmup=2, decay=decay) for step in range(15)]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(
    ("hold", "warmup", "expected"),
    [
        # held to step 6 of 10; then 4 steps of cosine: 45, 90 and 135 degrees
        (0.6, 0, [0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.6828427, 0.4, 0.1171573]),
        # the warm-up is a part of what is held
        (0.6, 2, [0.0, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8, 0.6828427, 0.4, 0.1171573]),
        # a warm-up of 4 steps outlasts the hold of 2: then 6 steps of cosine, 30 degrees each, with no jump
        (0.2, 4, [0.0, 0.2, 0.4, 0.6, 0.8, 0.7464102, 0.6, 0.4, 0.2, 0.0535898]),
        (0.0, 0, [0.8, 0.7804226, 0.7236068, 0.6351141, 0.5236068, 0.4, 0.2763932, 0.1648859, 0.0763932, 0.0195774]),
    ],
    ids=["without warm-up", "with warm-up", "a longer warm-up", "without hold"],
)
def test_a_late_cosine_keeps_its_rate_for_a_share_of_the_run(hold: float, warmup: int, expected: list[float]) -> None:
    decay = LateCosine(name="late_cosine", hold=hold)
    rates = [learning_rate(step, 10, base=0.8, warmup=warmup, decay=decay) for step in range(10)]
    assert rates == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("decay", [COSINE, CONSTANT, HALVES, LATE], ids=lambda decay: decay.name)
def test_every_decay_begins_at_the_whole_rate(decay: Decay) -> None:
    assert learning_rate(0, 9, base=0.3, warmup=0, decay=decay) == 0.3
