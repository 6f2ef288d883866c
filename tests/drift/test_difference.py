"""Drift: MMD^2 is checked against sums over pairs, p-values against all relabellings and by simulation."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from components.drift.difference import compare_features, compute_kernel, compute_mmd, draw_relabellings, normalise_rows

Draw = Callable[[np.random.Generator, int], np.ndarray]


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives the same numbers whichever tests run."""
    return np.random.default_rng(0)


def draw_gaussian(generator: np.random.Generator, images: int) -> np.ndarray:
    return generator.normal(1, 1, (images, 6)).astype(np.float32)


def draw_of_four(generator: np.random.Generator, images: int) -> np.ndarray:
    """Draw from four images only, so that relabellings tie."""
    return np.eye(4, dtype=np.float32)[generator.integers(0, 4, images)]


def slow_kernel(pooled: np.ndarray) -> list[list[float]]:
    unit = [[float(x) / math.hypot(*map(float, row)) for x in row] for row in pooled]
    apart = [math.dist(a, b) for a, b in itertools.combinations(unit, 2)]
    sigma = statistics.median(apart)
    return [[math.exp(-(math.dist(a, b) ** 2) / (2 * sigma**2)) for b in unit] for a in unit]


def slow_mmd(k: Sequence[Sequence[float]], reference: Sequence[int], new: Sequence[int]) -> float:
    """Compute equation 3 of Gretton et al., sum by sum."""
    m, n = len(reference), len(new)
    within = sum(k[i][j] for i in reference for j in reference if i != j) / (m * (m - 1))
    within += sum(k[i][j] for i in new for j in new if i != j) / (n * (n - 1))
    return within - 2 / (m * n) * sum(k[i][j] for i in reference for j in new)


@pytest.mark.parametrize(("references", "news"), [(2, 2), (9, 6), (3, 12)])
def test_the_statistic_is_the_paper_s_sum_over_pairs(references: int, news: int, rng: np.random.Generator) -> None:
    reference, new = draw_gaussian(rng, references), draw_gaussian(rng, news) + 1
    pooled = np.concatenate([reference, new])
    slow = slow_kernel(pooled)
    expected = slow_mmd(slow, range(references), range(references, references + news))
    assert compare_features(reference, new, permutations=1, seed=0).statistic == pytest.approx(expected, abs=1e-9)
    exact = np.array(slow) - np.eye(len(pooled))
    labels = draw_relabellings(references, news, 300, 0)
    rows = [([*np.flatnonzero(~column)], [*np.flatnonzero(column)]) for column in labels.T]
    measured = compute_mmd(exact, labels)
    assert measured == pytest.approx([slow_mmd(slow, *sides) for sides in rows], abs=1e-12)
    assert measured[0] == pytest.approx(expected, abs=1e-12)


def test_the_kernel_s_bandwidth_is_the_median_distance(rng: np.random.Generator) -> None:
    for images in (11, 12):  # 55 pairs and 66
        pooled = draw_gaussian(rng, images)
        np.testing.assert_allclose(
            compute_kernel(normalise_rows(pooled)) + np.eye(images), slow_kernel(pooled), rtol=1e-9
        )


@pytest.mark.parametrize("draw", [draw_gaussian, draw_of_four])
def test_the_p_value_is_the_share_of_all_relabellings(draw: Draw, rng: np.random.Generator) -> None:
    """With 4 and 3 images there are 35 relabellings, few enough to compute all of them."""
    for shift in (0, 0.5):
        reference, new = draw(rng, 4), draw(rng, 3) + shift
        pooled = np.concatenate([reference, new]).astype(np.float32)
        values = compute_kernel(normalise_rows(pooled)).tolist()
        observed = slow_mmd(values, range(4), range(4, 7))
        statistics_of_all = [
            slow_mmd(values, [i for i in range(7) if i not in three], three)
            for three in itertools.combinations(range(7), 3)
        ]
        share = sum(value >= observed - 1e-9 for value in statistics_of_all) / len(statistics_of_all)
        measured = compare_features(reference, new, permutations=4000, seed=0).p_value
        assert abs(measured - share) < 4 * math.sqrt(0.25 / 4000)


@pytest.mark.parametrize(("references", "news"), [(40, 25), (30, 3)])
def test_without_drift_one_night_in_twenty_is_a_false_alarm(
    references: int, news: int, rng: np.random.Generator
) -> None:
    nights = 400
    generator = np.random.default_rng(1)
    measured = np.array(
        [
            compare_features(
                draw_gaussian(generator, references), draw_gaussian(generator, news), permutations=99, seed=night
            ).p_value
            for night in range(nights)
        ]
    )
    for level in (0.05, 0.5, 0.9):
        low, high = stats.binom.ppf([0.001, 0.999], nights, level)
        assert low <= (measured <= level + 1e-9).sum() <= high, level


def test_images_that_are_often_the_same_give_no_more_false_alarms(rng: np.random.Generator) -> None:
    generator = np.random.default_rng(2)
    measured = [
        compare_features(draw_of_four(generator, 30), draw_of_four(generator, 20), permutations=99, seed=n).p_value
        for n in range(300)
    ]
    assert sum(p_value <= 0.05 for p_value in measured) <= stats.binom.ppf(0.999, 300, 0.05)


def test_a_shifted_sample_is_found_and_the_mean_s_cosine_tells_how_far(rng: np.random.Generator) -> None:
    shift = np.array([1, -1, 0, 0, 0, 0], np.float32)
    measured = [
        compare_features(draw_gaussian(rng, 80), draw_gaussian(rng, 60) + by * shift, permutations=999, seed=0)
        for by in (0.0, 0.7, 2.0)
    ]
    assert measured[0].p_value > 0.05
    assert measured[1].p_value < 0.01
    assert measured[2].p_value == 1 / 1000
    assert measured[0].mean_cosine > measured[1].mean_cosine > measured[2].mean_cosine


def test_the_same_mean_with_another_spread_is_found(rng: np.random.Generator) -> None:
    """The means alone would not show the difference."""
    wide, narrow = (np.array([10.0, 0, 0]) + rng.normal(0, spread, (100, 3)) for spread in (4, 1))
    measured = compare_features(wide, narrow, permutations=999, seed=0)
    assert measured.p_value < 0.01
    assert measured.mean_cosine > 0.99


def test_order_side_and_brightness_make_no_difference(rng: np.random.Generator) -> None:
    reference, new = draw_gaussian(rng, 30), draw_gaussian(rng, 20) + 0.3
    measured = compare_features(reference, new, permutations=999, seed=0)
    turned = compare_features(new[::-1], reference[::-1] * 7, permutations=999, seed=0)
    assert turned.statistic == pytest.approx(measured.statistic, abs=1e-6)
    assert turned.mean_cosine == pytest.approx(measured.mean_cosine, abs=1e-6)
    assert turned.p_value == pytest.approx(measured.p_value, abs=0.06)


def test_a_seed_gives_the_same_bits_and_another_one_other_permutations(rng: np.random.Generator) -> None:
    reference, new = draw_gaussian(rng, 30), draw_gaussian(rng, 20)
    first, again, *others = (compare_features(reference, new, permutations=499, seed=seed) for seed in (0, 0, 1, 2, 3))
    assert first == again
    assert {other.statistic for other in others} == {first.statistic}
    assert len({other.p_value for other in others}) > 1


def test_a_collapsed_encoder_sees_no_drift_and_divides_by_nothing(rng: np.random.Generator) -> None:
    """The features are all the same but for their rounding, or all zero."""
    equal = np.full((20, 5), 0.3, np.float32)
    jitter = equal * (1 + np.finfo(np.float32).eps * rng.integers(-2, 3, equal.shape)).astype(np.float32)
    for reference, new in ((equal, jitter), (np.zeros((20, 5)), np.zeros((9, 5)))):
        measured = compare_features(reference, new, permutations=199, seed=0)
        assert (measured.p_value, measured.statistic) == (1.0, pytest.approx(0, abs=1e-12))


def test_many_blank_images_do_not_blind_the_test(rng: np.random.Generator) -> None:
    """Most pairs have distance 0, so that the median over all pairs would be 0."""
    measured = compare_features(
        draw_gaussian(rng, 10), np.repeat(draw_gaussian(rng, 1), 90, axis=0), permutations=999, seed=0
    )
    assert measured.p_value == 1 / 1000
    assert 0 < measured.statistic < 2


def test_the_shipped_sizes_take_seconds(rng: np.random.Generator) -> None:
    begun = time.monotonic()
    compare_features(rng.normal(size=(2000, 512)), rng.normal(size=(2000, 512)), permutations=1000, seed=0)
    assert time.monotonic() - begun < 30
