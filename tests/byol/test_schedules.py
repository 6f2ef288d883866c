"""Learning rate and tau against values worked out by hand."""

from itertools import pairwise

import pytest

from components.byol.schedules import learning_rate, tau


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
    ("step", "base", "expected"),
    [
        (0, 0.99, 0.99),
        (4, 0.99, 0.9925),  # a third: cos 60 = 1/2, so three quarters of 1 - base are left
        (6, 0.99, 0.995),
        (8, 0.99, 0.9975),
        (12, 0.99, 1.0),
        (3, 0.996, 0.9965858),  # a quarter: 1 - 0.004 * 0.8535534
        (0, 0.0, 0.0),
        (6, 0.0, 0.5),
        (5, 1.0, 1.0),  # a random target stays one
    ],
)
def test_tau_rises_from_its_base_to_one_along_a_cosine(step: int, base: float, expected: float) -> None:
    assert tau(step, 12, base=base) == pytest.approx(expected, abs=1e-7)


def test_the_target_slows_down_at_every_step_and_moves_until_the_last() -> None:
    values = [tau(step, 300, base=0.9) for step in range(300)]
    assert all(a < b for a, b in pairwise(values))
    assert values[0] == pytest.approx(0.9)
    assert 0.9999 < values[-1] < 1
