"""The suspicious labels are those of cleanlab, by the same probabilities."""

import numpy as np
import pytest

from components.labels.confident import ROUNDING, compute_thresholds, contradict, find_suspects


def draw_probabilities(seed: int, images: int, classes: int, sharp: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels of which a tenth is wrong, and what a classifier makes of their images: (N,), (N, K)."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, images, p=rng.dirichlet(np.full(classes, 5.0)))
    logits = rng.normal(0, 1, (images, classes)) + sharp * np.eye(classes)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wrong = rng.random(images) < 0.1
    return np.where(wrong, rng.integers(classes, size=images), truth), probabilities


def find(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    confidence = probabilities[np.arange(len(labels)), labels]
    thresholds = compute_thresholds(confidence, labels, probabilities.shape[1])
    contradicted = contradict(probabilities, labels, thresholds)
    return find_suspects(confidence, confidence >= probabilities.max(1) - ROUNDING, contradicted)


@pytest.mark.parametrize(("classes", "sharp"), [(2, 1.0), (3, 4.0), (10, 2.0), (60, 3.0), (10, 0.0)])
def test_they_are_those_of_cleanlab_in_its_order(classes: int, sharp: float) -> None:
    """People trust the method by its name; this holds it to the library that its authors maintain."""
    from cleanlab import filter as cleanlab_filter  # takes seconds
    from cleanlab import rank

    labels, probabilities = draw_probabilities(classes, 1500, classes, sharp)
    theirs = cleanlab_filter.find_label_issues(labels, probabilities, filter_by="low_self_confidence", n_jobs=1)
    theirs &= labels != probabilities.argmax(1)  # it keeps some whose label is the likeliest all the same
    scores = rank.get_self_confidence_for_each_label(labels, probabilities)
    rows = np.flatnonzero(theirs)
    assert len(rows) > 0
    assert find(labels, probabilities).tolist() == rows[np.argsort(scores[rows], kind="stable")].tolist()


def test_a_class_without_an_image_is_suggested_by_no_threshold() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.2, 0.8, 0.0], [0.1, 0.9, 0.0]])
    thresholds = compute_thresholds(probabilities[np.arange(4), labels], labels, 3)
    assert thresholds.tolist() == pytest.approx([0.35, 0.85, 2.0])
    assert not contradict(probabilities, labels, thresholds).any()
