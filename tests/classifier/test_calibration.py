"""Calibration error, Brier score and reliability are held against scikit-learn's and numbers worked out by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from components.classifier.calibration import Answers, join_answers, judge_probabilities, measure_error, tabulate_bins


def draw(images: int = 500, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(1)
    return drawn.dirichlet(np.full(classes, 0.3), images), drawn.integers(0, classes, images)


def make_answers(confidence: list[float], right: list[bool]) -> Answers:
    return Answers(np.array(confidence), np.zeros(len(right), np.int64), np.array(right), np.zeros(len(right)))


def test_the_error_by_hand() -> None:
    """Two of three images at 0.9 are right, one of one at 0.55 is wrong: (3 |0.9 - 2/3| + 0.55) / 4."""
    answers = make_answers([0.9, 0.9, 0.9, 0.55], [True, True, False, False])
    assert measure_error(answers, 10) == pytest.approx((3 * (0.9 - 2 / 3) + 0.55) / 4)
    assert measure_error(answers, 2) == pytest.approx(abs(3.25 - 2) / 4), "one bin: the gaps are of its means"


def test_the_bins_are_those_of_scikit_learn() -> None:
    answers = judge_probabilities(*draw())
    accuracies, confidences = calibration_curve(answers.right, answers.confidence, n_bins=15)
    rows = [row for row in tabulate_bins(answers, 15) if row["images"]]
    np.testing.assert_allclose([row["accuracy"] for row in rows], accuracies)
    np.testing.assert_allclose([row["confidence"] for row in rows], confidences)
    assert sum(row["images"] or 0 for row in rows) == 500
    gaps = [row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows]  # type: ignore[operator]
    assert measure_error(answers, 15) == pytest.approx(sum(gaps) / 500)


def test_the_brier_score_is_scikit_learns_over_all_classes() -> None:
    probabilities, truth = draw()
    expected = brier_score_loss(truth, probabilities, labels=np.arange(5), scale_by_half=False)
    parts = [judge_probabilities(probabilities[rows], truth[rows]) for rows in (slice(0, 7), slice(7, None))]
    assert join_answers(parts).distance.mean() == pytest.approx(expected)


@pytest.mark.parametrize(("confidence", "place"), [(1.0, 3), (0.5, 1), (0.50001, 2), (0.0, 0)])
def test_a_confidence_of_one_has_a_bin(confidence: float, place: int) -> None:
    answers = make_answers([confidence], [True])
    assert [row["images"] for row in tabulate_bins(answers, 4)] == [int(n == place) for n in range(4)]
