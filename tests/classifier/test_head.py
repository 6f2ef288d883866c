"""The head is the logistic probe's; what calibrates it, it was not fitted on."""

import numpy as np
import pytest
import torch

from components.classifier.head import Head, assign_folds, compute_held_out, fit_head
from components.features.judging.params import Sweep
from components.features.judging.statistics import hold_out_rows
from components.probes.logistic import LogisticProbe
from components.stage.command import read_params
from tests.conftest import ROOT
from tests.probes.parts import CPU, make_part

SWEEP = Sweep(c_low=0.01, c_high=100.0, c_count=5, max_iterations=100, tolerance=1e-4)
SETTINGS = {"validation_fraction": 0.2, "folds": 5, "seed": 3, "device": CPU}


def draw(images: int, classes: int, *, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    centres = np.random.default_rng(9).normal(size=(classes, 8))
    return (centres[labels] + noise * drawn.normal(size=(images, 8))).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_its_answers_and_its_c_are_those_of_the_logistic_probe(classes: int) -> None:
    """Else the number of the report is not that of the file that people deploy."""
    (train, labels), (test, _) = draw(140, classes), draw(300, classes, seed=1)
    part = make_part(train, labels, test)
    logistic = read_params(ROOT / "params.yaml").evaluate.logistic.model_copy(update=SWEEP.model_dump())
    held = hold_out_rows(labels, 0.2, np.random.default_rng(3))
    expected = LogisticProbe(part, logistic, 3, CPU).from_all(held)
    head = fit_head(part, SWEEP, **SETTINGS)
    predicted = head.classifier(torch.from_numpy(test)).argmax(1).numpy()
    np.testing.assert_array_equal(predicted, expected.predictions["accuracy"])
    assert head.classifier.c == expected.chosen["c"]
    assert head.calibrated_on == 140


def test_single_precision_gives_the_same_far_from_zero() -> None:
    """Features of a large mean and a small spread, as some networks give: the mean is taken off before all else."""
    (train, labels), (test, _) = draw(140, 3), draw(300, 3, seed=1)
    part = make_part(*(features / 64 + 1024 if features.ndim == 2 else features for features in (train, labels, test)))
    head = fit_head(part, SWEEP, **SETTINGS)
    tensors = head.give_tensors(3)
    found = (torch.from_numpy(part.test) - tensors["centre"]) @ tensors["weights"] + tensors["bias"]
    torch.testing.assert_close(found.double(), head.classifier(torch.from_numpy(part.test)), rtol=0, atol=2e-3)


def test_no_image_is_calibrated_by_a_head_that_was_fitted_on_it() -> None:
    """Labels that are noise are learned by heart, and forgotten where they were held out."""
    drawn = np.random.default_rng(0)
    train, labels = drawn.normal(size=(60, 80)).astype(np.float32), drawn.integers(0, 2, 60)
    part = make_part(train, labels, train[:1])
    assigned = assign_folds(labels, 5, drawn)
    logits, truth = compute_held_out(part, SWEEP, 100.0, assigned, CPU)
    assert len(truth) == 60
    assert np.mean(logits.argmax(1) == truth) < 0.75
    sure = fit_head(part, SWEEP, **SETTINGS).temperature
    assert sure > 1, "a head that only knows by heart has to be taught doubt"


def test_each_fold_has_its_share_of_every_class() -> None:
    labels = np.repeat([0, 1, 2], [50, 25, 5])
    assigned = assign_folds(labels, 5, np.random.default_rng(0))
    for label, share in ((0, 10), (1, 5), (2, 1)):
        assert np.bincount(assigned[labels == label], minlength=5).tolist() == [share] * 5


def test_a_class_of_one_image_calibrates_nothing_and_breaks_nothing() -> None:
    train, labels = draw(40, 2)
    labels = labels.copy()
    labels[7] = 2
    head = fit_head(make_part(train, labels, train[:1]), SWEEP, **SETTINGS)
    assert head.calibrated_on == 39
    assert 0.1 < head.temperature < 10


@pytest.mark.parametrize("each", [1, 2])
def test_very_few_labels_are_enough(each: int) -> None:
    train, labels = draw(3 * each, 3)
    head = fit_head(make_part(train, labels, train[:1]), SWEEP, **SETTINGS)
    assert 0.2 < head.temperature < 20
    assert np.isfinite(head.classifier.weights.numpy()).all()


def test_thousands_of_classes_are_calibrated_on_as_many_images_as_memory_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, labels = draw(120, 3)
    monkeypatch.setattr("components.classifier.head.LOGITS", 3 * 40)
    head = fit_head(make_part(train, labels, train[:1]), SWEEP, **SETTINGS)
    assert 25 <= head.calibrated_on <= 40


def test_a_collapsed_encoders_head_says_how_frequent_the_classes_are() -> None:
    train, labels = np.full((40, 6), 0.25, np.float32), np.repeat([0, 1], [30, 10])
    head = fit_head(make_part(train, labels, train[:3]), SWEEP, **SETTINGS)
    shares = give_probabilities(head, train[:3])
    np.testing.assert_allclose(shares, [[0.75, 0.25]] * 3, atol=0.03)


def give_probabilities(head: Head, features: np.ndarray) -> np.ndarray:
    shares: np.ndarray = torch.softmax(head.classifier(torch.from_numpy(features)) / head.temperature, 1).numpy()
    return shares
