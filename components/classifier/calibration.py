"""Measures what a classifier's probabilities are worth: expected calibration error, Brier score, reliability.

The error is the mean gap between confidence, the highest probability, and accuracy, over bins of equal width, weighted
by their images (Naeini et al., AAAI 2015; Guo et al. 2017, arXiv 1706.04599, equation 3). The Brier score is the mean
over images of the squared distance between all K probabilities and the truth (Brier 1950): 0 is best, 2 worst.
N images, K classes.
"""

from dataclasses import dataclass

import numpy as np

from components.features.judging.statistics import estimate_accuracy


@dataclass(frozen=True)
class Answers:
    """A classifier's answers for labelled images, as far as they are judged."""

    confidence: np.ndarray  # (N,): the highest probability
    predicted: np.ndarray  # (N,) int64: the class of that probability
    right: np.ndarray  # (N,) bool: it is the image's
    distance: np.ndarray  # (N,): squared, between the probabilities and the truth


def judge_probabilities(probabilities: np.ndarray, truth: np.ndarray) -> Answers:
    """Judge probabilities (N, K) by the classes of the images, (N,) of 0..K - 1."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    distance = (probabilities**2).sum(1) - 2 * of_truth + 1
    predicted = probabilities.argmax(1)
    return Answers(probabilities.max(1), predicted, predicted == truth, distance)


def join_answers(parts: list[Answers]) -> Answers:
    """Join the answers for portions of the images."""
    columns = ("confidence", "predicted", "right", "distance")
    return Answers(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def measure_error(answers: Answers, bins: int) -> float:
    """Return the expected calibration error."""
    gaps = answers.right - answers.confidence
    return float(np.abs(np.bincount(find_bins(answers, bins), gaps, bins)).sum() / len(gaps))


def find_bins(answers: Answers, bins: int) -> np.ndarray:
    """Return the number of each image's bin, of which each has its upper end in it: (N,)."""
    found: np.ndarray = np.ceil(answers.confidence * bins).astype(np.int64) - 1
    return found.clip(0, bins - 1)


def tabulate_bins(answers: Answers, bins: int) -> list[dict[str, float | None]]:
    """Return for each bin its images, their mean confidence, and their accuracy with its 95 % interval (Wilson)."""
    places, rows = find_bins(answers, bins), []
    for number in range(bins):
        right = answers.right[places == number]
        row: dict[str, float | None] = {"images": len(right)} | dict.fromkeys(("confidence", *ENDS))
        if len(right):
            found = estimate_accuracy(right)
            row["confidence"] = float(answers.confidence[places == number].mean())
            row |= zip(ENDS, (found.value, found.low, found.high), strict=True)
        rows.append(row)
    return rows


ENDS = ("accuracy", "accuracy_low", "accuracy_high")
