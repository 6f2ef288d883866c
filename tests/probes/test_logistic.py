"""The logistic probe against a plain loop over C with scikit-learn, each fit from scratch."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from components.params.evaluate import Logistic
from components.probes.logistic import LogisticProbe

PARAMS = Logistic(c_low=1e-4, c_high=1e3, c_count=15, few_label_c=1.0, max_iterations=500)
VALIDATION = np.arange(39)  # thirteen of each class


def draw(images: int, *, seed: int, features: int = 12, noise: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping classes of which four features know something, so that the penalty matters."""
    generator = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    centres = np.zeros((3, features))
    centres[:, :4] = np.random.default_rng(0).normal(size=(3, 4))
    points = centres[labels] + noise * generator.normal(size=(images, features))
    return (points * np.linspace(0.1, 10, features) + 3).astype(np.float32), labels


def standard(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    wide = train.astype(np.float64)
    return (features - wide.mean(0)) / wide.std(0)


def plain(c: float, train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    return LogisticRegression(C=c, max_iter=5000).fit(train, labels).predict(test)


@pytest.mark.parametrize("seed", [2, 5, 6, 8, 9])  # for which it is neither the smallest nor the largest
def test_c_is_the_one_that_a_plain_loop_chooses_and_the_last_fit_is_on_all_rows(seed: int) -> None:
    (train, labels), (test, _) = draw(120, seed=seed), draw(400, seed=seed + 100)
    inputs, queries = standard(train, train), standard(test, train)
    fitting = np.setdiff1d(np.arange(120), VALIDATION)
    scores = [
        np.mean(plain(c, inputs[fitting], labels[fitting], inputs[VALIDATION]) == labels[VALIDATION])
        for c in np.geomspace(1e-4, 1e3, 15)
    ]
    best = np.geomspace(1e-4, 1e3, 15)[int(np.argmax(scores))]
    expected = plain(best, inputs, labels, queries)
    found = LogisticProbe(train, test, 3, PARAMS, seed=0).from_all(labels, VALIDATION)
    assert np.mean(found == expected) > 0.995
    assert np.mean(plain(best, inputs[fitting], labels[fitting], queries) == expected) < 0.99, "refitting must show"
    for other in (1e-4, 1e3):
        assert np.mean(plain(other, inputs, labels, queries) == expected) < 0.995, "the choice must show"


def test_a_class_that_is_only_in_the_validation_rows_is_learned_in_the_end() -> None:
    train, labels = draw(120, seed=1, noise=0.05)
    found = LogisticProbe(train, train, 3, PARAMS, seed=0).from_all(labels, np.flatnonzero(labels == 2))
    assert np.mean(found == labels) > 0.98


def test_the_test_images_decide_nothing() -> None:
    """The probe is never given their labels, and what it says of one image does not depend on the others."""
    (train, labels), (test, _) = draw(120, seed=1), draw(100, seed=2)
    corrupted = test.copy()
    corrupted[50:] *= -100
    found, beside = (
        LogisticProbe(train, images, 3, PARAMS, seed=0).from_all(labels, VALIDATION) for images in (test, corrupted)
    )
    np.testing.assert_array_equal(found[:50], beside[:50])
    assert np.any(found[50:] != beside[50:])


def test_few_labels_are_fitted_with_the_c_of_params_on_those_rows_alone() -> None:
    (train, labels), (test, _) = draw(120, seed=1), draw(400, seed=2)
    rows = np.array([0, 1, 2, 30, 31, 32])
    made = LogisticProbe(train, test, 3, PARAMS.model_copy(update={"few_label_c": 0.01}), seed=0)
    inputs, queries = standard(train, train), standard(test, train)
    expected = plain(0.01, inputs[rows], labels[rows], queries)
    np.testing.assert_array_equal(made.from_few(rows, labels[rows]), expected)
    assert np.any(plain(100.0, inputs[rows], labels[rows], queries) != expected)


def test_the_penalty_is_what_params_say_of_it() -> None:
    """Minimise sum of log losses + |w|^2 / (2 C) by hand, the bias free: the same decisions on two classes."""
    generator = np.random.default_rng(0)
    train = generator.normal(size=(40, 2)).astype(np.float32)
    labels = (train[:, 0] + 0.5 * generator.normal(size=40) > 0).astype(np.int64)
    test = generator.normal(size=(500, 2)).astype(np.float32)
    inputs, signs, c = standard(train, train), 2 * labels - 1, 0.02

    def objective(weights: np.ndarray) -> float:
        margins = signs * (inputs @ weights[:2] + weights[2])
        return float(np.logaddexp(0, -margins).sum() + weights[:2] @ weights[:2] / (2 * c))

    best = minimize(objective, np.zeros(3), tol=1e-12).x
    expected = (standard(test, train) @ best[:2] + best[2] > 0).astype(np.int64)
    made = LogisticProbe(train, test, 2, PARAMS.model_copy(update={"few_label_c": c}), seed=0)
    assert 0.05 < expected.mean() < 0.95
    assert np.mean(made.from_few(np.arange(40), labels) == expected) > 0.995


@pytest.mark.filterwarnings("error")
def test_a_sweep_that_runs_out_of_iterations_says_nothing_on_the_users_terminal() -> None:
    train, labels = draw(120, seed=1)
    hasty = PARAMS.model_copy(update={"max_iterations": 2})
    found = LogisticProbe(train, train, 3, hasty, seed=0).from_all(labels, VALIDATION)
    assert np.mean(found == labels) > 0.5
