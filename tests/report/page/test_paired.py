"""One encoder is called better than another only beyond the noise of the images that both judged."""

import numpy as np
import pytest
from scipy import stats

from components.report.page.paired import (
    Scores,
    compare,
    compare_in_pairs,
    compute_mcnemar_p,
    estimate_error,
)
from pipelines.compare.paired import BETTER, WORSE, compare_scores


def judge(images: int, only_first: int, only_second: int) -> int:
    """Compare two encoders of which each alone is right on so many images."""
    first, second = np.ones(images), np.ones(images)
    second[:only_first] = 0
    first[only_first : only_first + only_second] = 0
    result = compare_in_pairs(first, second)
    assert compare_in_pairs(second, first) == -result
    return result


@pytest.mark.parametrize(
    ("images", "only_first", "only_second", "expected"),
    [
        (300, 2, 0, 0),  # 2 of 300 against 0 of 300
        (300, 5, 0, 0),  # McNemar's p is 1 / 16
        (300, 6, 0, 1),  # 1 / 32
        (300, 12, 4, 0),
        (300, 30, 10, 1),
        (9, 9, 0, 0),  # too few images for pairs
        (300, 0, 0, 0),
    ],
)
def test_right_or_wrong_has_to_pass_mcnemars_test_too(
    images: int, only_first: int, only_second: int, expected: int
) -> None:
    assert judge(images, only_first, only_second) == expected


def test_two_encoders_are_judged_by_the_rule_that_compare_has_for_two_runs() -> None:
    generator = np.random.default_rng(0)
    for images in (5, 10, 60, 300):
        for share in (0.02, 0.1, 0.3):
            first = (generator.random(images) < 0.8).astype(float)
            second = np.where(generator.random(images) < share, generator.random(images) < 0.3, first).astype(float)
            verdict = compare_scores(second, first).verdict
            assert compare_in_pairs(first, second) == {BETTER: 1, WORSE: -1}.get(verdict, 0)


def test_the_p_value_is_that_of_a_fair_coin() -> None:
    assert compute_mcnemar_p(np.array([1, 1, 1, -1, 0])) == pytest.approx(10 / 16)
    assert compute_mcnemar_p(np.zeros(3)) == 1


def test_other_scores_are_compared_by_students_paired_interval() -> None:
    generator = np.random.default_rng(0)
    first = generator.uniform(0, 1, 40)
    for shift in (0.0, 0.02, 0.05, 0.1, 0.2):
        second = first - shift + generator.normal(0, 0.2, 40)
        assert compare_in_pairs(first, second) == int(stats.ttest_rel(first, second).pvalue < 0.05)


def test_pairs_that_share_an_image_count_for_less() -> None:
    """Each of 20 images stands in 10 pairs, which go well or badly together: there are 20 cases and not 200."""
    residuals = np.repeat(np.random.default_rng(0).normal(0, 1, 20), 10)
    residuals -= residuals.mean()
    members = np.stack([np.repeat(np.arange(20), 10), 20 + np.arange(200)], axis=1)
    apart = np.arange(400).reshape(200, 2)
    assert estimate_error(residuals, apart) == pytest.approx(estimate_error(residuals, None))
    assert estimate_error(residuals, members) == pytest.approx(np.sqrt(10) * estimate_error(residuals, None))


def test_intervals_that_lie_apart_are_enough_and_few_labels_depend_on_their_draws_too() -> None:
    def make_metrics(key: str, value: float) -> dict[str, float]:
        return {key: value, f"{key}_low": value - 0.1, f"{key}_high": value + 0.1}

    scores = {key: Scores({"a": {key: np.full(50, 0.6)}, "b": {key: np.full(50, 0.5)}}) for key in ("map", FEW)}
    for key, expected in (("map", 1), (FEW, 0)):
        probe = {"a": make_metrics(key, 0.6), "b": make_metrics(key, 0.5)}
        assert compare(key, "a", "b", probe, scores[key]) == expected
        assert compare(key, "a", "b", probe, Scores({})) == 0
        far = {"a": make_metrics(key, 0.9), "b": make_metrics(key, 0.5)}
        assert compare(key, "a", "b", far, Scores({})) == 1
        assert compare(key, "b", "a", far, Scores({})) == -1


FEW = "accuracy_2_per_class"
