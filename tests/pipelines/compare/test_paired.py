"""Tests whether a difference is more than noise, with intervals that hold what they promise and p-values by hand."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from pipelines.compare import paired
from pipelines.compare.paired import BETTER, NOISE, TOO_FEW, WORSE


def make_scores(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Make scores of so many images that both, one or none of the runs got right."""
    counts = [both, only_a, only_b, neither]
    return np.repeat([1.0, 1.0, 0.0, 0.0], counts), np.repeat([1.0, 0.0, 1.0, 0.0], counts)


def test_mcnemar_gives_the_p_that_the_binomial_table_gives() -> None:
    # Of 12 discordant images 2 speak for A: 2 * (1 + 12 + 66) / 2**12.
    assert paired.compute_mcnemar_p(*make_scores(50, 2, 10, 3)) == pytest.approx(158 / 4096)
    # statsmodels.stats.contingency_tables.mcnemar([[101, 121], [59, 33]], exact=True): its documentation's example
    assert paired.compute_mcnemar_p(*make_scores(101, 121, 59, 33)) == pytest.approx(4.434e-06, rel=1e-3)
    assert paired.compute_mcnemar_p(*make_scores(50, 0, 0, 3)) == 1.0


@pytest.mark.parametrize(("p_a", "p_b", "images"), [(0.02, 0.01, 450), (0.1, 0.25, 200)])
def test_the_interval_holds_the_true_difference_in_about_95_of_100_pairs_of_runs(
    p_a: float, p_b: float, images: int
) -> None:
    """The probabilities p_a and p_b say how often only one of the runs is right."""
    rng = np.random.default_rng(11)
    pairs = rng.multinomial(images, [p_a, 1 - p_a - p_b, p_b], size=400)
    intervals = [paired.estimate_interval(np.repeat([-1.0, 0.0, 1.0], counts)) for counts in pairs]
    held = np.mean([low <= p_b - p_a <= high for low, high in intervals])
    assert 0.917 <= held <= 0.983  # 0.95 +- 3 standard errors of 400 trials


def test_of_two_runs_that_are_equally_good_at_most_one_in_twenty_is_called_better_or_worse() -> None:
    """The page and the last line of the output make this claim."""
    rng = np.random.default_rng(12)
    verdicts = []
    for _ in range(300):
        only_a, same, only_b = rng.multinomial(450, [0.02, 0.96, 0.02])
        verdicts.append(paired.compare_scores(*make_scores(same, only_a, only_b, 0)).verdict)
    assert np.mean([verdict != NOISE for verdict in verdicts]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_both_ways_to_draw_resamples_give_the_interval_of_a_bias_corrected_bootstrap() -> None:
    differences = np.random.default_rng(13).choice([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0], size=400)
    values, counts = np.unique(differences, return_counts=True)
    reference = bootstrap((differences,), np.mean, method="BCa", rng=np.random.default_rng(14)).confidence_interval
    for result in (paired.bootstrap_counts(values, counts), paired.bootstrap_values(differences)):
        assert result == pytest.approx((reference.low, reference.high), abs=0.006)


def test_scores_between_0_and_1_are_paired_too() -> None:
    rng = np.random.default_rng(15)
    hard = rng.random(450)  # how hard an image is: the same for both runs
    a = hard + rng.normal(0, 0.01, 450)
    result = paired.compare_scores(a, hard + rng.normal(0.005, 0.01, 450))
    assert result.verdict == BETTER
    assert result.p is None
    assert result.high - result.low < 0.01  # unpaired it would be 0.08 wide and hide the difference
    assert paired.compare_scores(a, hard).verdict == NOISE


def test_the_verdict_needs_both_the_interval_and_mcnemar() -> None:
    lucky = paired.compare_scores(*make_scores(440, 0, 4, 4))
    assert lucky.low > 0  # four of four: the bootstrap alone would call it better
    assert lucky.p == pytest.approx(0.125)
    assert lucky.verdict == NOISE
    assert paired.compare_scores(*make_scores(400, 2, 20, 26)).verdict == BETTER
    assert paired.compare_scores(*make_scores(400, 20, 2, 26)).verdict == WORSE


def test_differences_that_are_all_the_same_leave_no_interval() -> None:
    scores = np.full(50, 0.5)
    assert (paired.compare_scores(scores, scores).low, paired.compare_scores(scores, scores).high) == (0.0, 0.0)
    assert paired.compare_scores(scores, scores).verdict == NOISE
    moved = paired.compare_scores(scores.astype(np.float32), (scores + 0.05).astype(np.float32))
    assert (moved.low, moved.high, moved.verdict) == (0.05, 0.05, BETTER)


def test_a_handful_of_images_proves_nothing() -> None:
    assert paired.compare_scores(np.full(5, 0.5), np.full(5, 0.9)).verdict == TOO_FEW


def test_the_same_runs_are_compared_the_same_way_twice() -> None:
    rng = np.random.default_rng(16)
    a, b = rng.random(300), rng.random(300)
    assert paired.compare_scores(a, b) == paired.compare_scores(a, b)


def test_images_are_paired_by_id_whatever_their_order_and_repeats_in_turn() -> None:
    in_a, in_b = paired.find_shared(["x", "y", "x", "only a"], ["only b", "x", "z", "y", "x"])
    assert list(zip(in_a.tolist(), in_b.tolist(), strict=True)) == [(0, 1), (1, 3), (2, 4)]
    none_a, none_b = paired.find_shared(["x"], ["y"])
    assert len(none_a) == len(none_b) == 0
