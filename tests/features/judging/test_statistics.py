"""Intervals are checked against values worked out by hand and by simulated coverage; labels are drawn fairly."""

import math

import numpy as np
import pytest

from components.features.judging.statistics import (
    draw_rows_per_class,
    estimate_accuracy,
    estimate_accuracy_over_draws,
    estimate_mean,
    hold_out_rows,
)


def make_answers(right: int, total: int) -> np.ndarray:
    return np.arange(total) < right


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        (8, 10, 0.4901625, 0.9433178),  # (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n), z = 1.959964
        (5, 10, 0.2365931, 0.7634069),
        (10, 10, 0.7224672, 1.0),  # n / (n + z2): certain answers leave doubt
        (0, 10, 0.0, 0.2775328),
        (900, 1000, 0.8798480, 0.9170909),
    ],
)
def test_wilsons_interval_is_the_one_worked_out_by_hand(right: int, total: int, low: float, high: float) -> None:
    estimate = estimate_accuracy(make_answers(right, total))
    assert estimate.value == pytest.approx(right / total)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-6)


def test_wilsons_formula_written_out_again() -> None:
    for right, total in ((1, 3), (17, 40), (444, 450)):
        p, z2 = right / total, 1.959963984540054**2
        middle = (p + z2 / (2 * total)) / (1 + z2 / total)
        half = math.sqrt(z2) * math.sqrt(p * (1 - p) / total + z2 / (4 * total**2)) / (1 + z2 / total)
        estimate = estimate_accuracy(make_answers(right, total))
        assert (estimate.low, estimate.high) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_an_interval_over_draws_worked_out_by_hand() -> None:
    """Two draws, three images; t of one degree of freedom is 12.7062.

    Draws 2/3 and 1/3: variance 1/18, over 2 draws 1/36. Images 1, 1/2, 0: variance 1/4, over 3 images 1/12. The mean's
    deviation is sqrt(1/36 + 1/12) = 1/3, so that the interval is cut to 0..1.
    """
    cut = estimate_accuracy_over_draws(np.array([[True, True, False], [True, False, False]]))
    assert (cut.value, cut.low, cut.high) == pytest.approx((0.5, 0.0, 1.0))
    # The same columns 3000 times: draws 1/36 as before, images 1/4 * 9000 * 2 / (3 * 8999) / 9000.
    wide = estimate_accuracy_over_draws(np.tile([[True, True, False], [True, False, False]] * 40, 3000))
    by_draw = 1 / 36 * 80 / 79 / 80
    by_image = (1 / 6) * 9000 / 8999 / 9000
    half = 1.990450 * math.sqrt(by_draw + by_image)  # t of 79 degrees of freedom
    assert (wide.value, wide.low, wide.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-6)


@pytest.mark.parametrize(("draws", "images"), [(10, 100), (20, 450), (40, 60)])
@pytest.mark.parametrize(("by_draw", "by_image"), [(0.0, 0.0), (0.6, 0.0), (0.0, 2.0), (0.6, 2.0)])
def test_the_interval_over_draws_covers_the_truth(draws: int, images: int, by_draw: float, by_image: float) -> None:
    """Draws that are lucky, images that are hard, both or neither: 95 % of the intervals hold the true mean."""
    generator = np.random.default_rng(0)

    def compute_chances(of_draws: np.ndarray, of_images: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(0.8 + by_draw * of_draws + by_image * of_images)))

    truth = float(compute_chances(generator.normal(size=10**6), generator.normal(size=10**6)).mean())
    held, runs = 0, 600
    for _ in range(runs):
        share = compute_chances(generator.normal(size=(draws, 1)), generator.normal(size=(1, images)))
        estimate = estimate_accuracy_over_draws(generator.random((draws, images)) < share)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        held += estimate.low <= truth <= estimate.high
    assert held / runs > 0.93  # 95 % less two standard errors of the simulation


def test_more_draws_and_more_images_narrow_the_interval() -> None:
    def measure_width(draws: int, images: int) -> float:
        generator = np.random.default_rng(0)
        estimate = estimate_accuracy_over_draws(generator.random((draws, images)) < 0.8)
        return estimate.high - estimate.low

    assert measure_width(10, 100) > 1.5 * measure_width(10, 1000)
    assert measure_width(10, 1000) > measure_width(40, 1000)


def test_labels_are_drawn_from_every_class_alike_and_no_image_twice() -> None:
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [50, 20, 10]))
    for seed in range(20):
        rows = draw_rows_per_class(labels, {0: 5, 1: 5, 2: 5}, np.random.default_rng(seed))
        assert len(set(rows.tolist())) == len(rows) == 15
        assert np.bincount(labels[rows]).tolist() == [5, 5, 5]


def test_every_image_is_drawn_as_often_as_every_other_of_its_class() -> None:
    labels = np.repeat([0, 1], [10, 4])
    generator = np.random.default_rng(0)
    times = np.bincount(
        np.concatenate([draw_rows_per_class(labels, {0: 2, 1: 2}, generator) for _ in range(4000)]), minlength=14
    )
    assert times[:10] == pytest.approx(np.full(10, 800), abs=130)  # five standard errors of 4000 draws
    assert times[10:] == pytest.approx(np.full(4, 2000), abs=160)


def test_the_same_seed_draws_the_same_labels_and_then_others() -> None:
    """Every encoder must be judged on the same draws."""
    labels, each = np.arange(300) % 3, {0: 4, 1: 4, 2: 4}
    first_generator, second_generator = np.random.default_rng(7), np.random.default_rng(7)
    first = draw_rows_per_class(labels, each, first_generator)
    np.testing.assert_array_equal(first, draw_rows_per_class(labels, each, second_generator))
    assert not np.array_equal(first, draw_rows_per_class(labels, each, first_generator))


def test_held_out_rows_leave_something_of_every_class_to_fit_on() -> None:
    labels = np.repeat([0, 1, 2], [100, 5, 1])
    held_out = hold_out_rows(labels, 0.2, np.random.default_rng(0))
    assert np.bincount(labels[held_out], minlength=3).tolist() == [20, 1, 0]
    assert hold_out_rows(np.array([0, 1]), 0.2, np.random.default_rng(0)).shape == (1,)
    assert set(labels) == set(np.delete(labels, hold_out_rows(labels, 0.99, np.random.default_rng(0))))


def test_all_right_is_not_certainty() -> None:
    estimate = estimate_accuracy_over_draws(np.ones((20, 450), dtype=bool))
    assert estimate.value == estimate.high == 1
    assert estimate.low == pytest.approx(0.9915, abs=1e-4)


def test_the_interval_of_a_mean_worked_out_by_hand() -> None:
    """0.2, 0.4, 0.9: mean 0.5, deviation sqrt(0.13), over three sqrt(0.13 / 3); t of two degrees is 4.302653."""
    cut = estimate_mean(np.array([0.2, 0.4, 0.9]))
    assert (cut.value, cut.low, cut.high) == pytest.approx((0.5, 0.0, 1.0))
    many = estimate_mean(np.tile([0.2, 0.4, 0.9], 100))
    half = 1.967930 * math.sqrt((0.26 / 3) * 300 / 299 / 300)  # t of 299 degrees of freedom
    assert (many.low, many.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    assert (estimate_mean(np.ones(10)).low, estimate_mean(np.ones(10)).high) == pytest.approx(
        (0.7224672, 1.0), abs=1e-6
    )


@pytest.mark.parametrize("images", [60, 450])
def test_the_interval_of_a_mean_covers_the_truth(images: int) -> None:
    """Average precisions are crowded at 1 with a long tail."""
    generator = np.random.default_rng(0)
    runs = generator.beta(4, 0.8, (2000, images))
    truth = 4 / 4.8
    held = [estimate.low <= truth <= estimate.high for estimate in map(estimate_mean, runs)]
    assert 0.93 < np.mean(held) < 0.97


@pytest.mark.parametrize(("chance", "images"), [(0.5, 100), (0.9, 450), (0.98, 450)])
def test_wilsons_interval_covers_the_truth(chance: float, images: int) -> None:
    generator = np.random.default_rng(0)
    estimates = [
        estimate_accuracy(make_answers(int(right), images)) for right in generator.binomial(images, chance, 2000)
    ]
    assert 0.93 < np.mean([estimate.low <= chance <= estimate.high for estimate in estimates]) < 0.98
