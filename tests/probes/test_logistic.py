"""The logistic probe against a plain loop over C with scikit-learn, each fit from scratch."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from components.evaluate.params import Logistic
from components.probes.logistic import LogisticProbe
from tests.probes.parts import CPU, part

PARAMS = Logistic(c_low=1e-4, c_high=1e3, c_count=15, few_label_c=1.0, max_iterations=500, tolerance=1e-8)
VALIDATION = np.arange(39)  # thirteen of each class


def answers(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, params: Logistic, validation: np.ndarray
) -> np.ndarray:
    """From all labels."""
    return LogisticProbe(part(train, labels, test), params, 0, CPU).from_all(validation).predictions["accuracy"]


def from_rows(
    rows: np.ndarray, train: np.ndarray, labels: np.ndarray, test: np.ndarray, few_label_c: float
) -> np.ndarray:
    """From the labels of some rows."""
    params = PARAMS.model_copy(update={"few_label_c": few_label_c})
    return LogisticProbe(part(train, labels, test), params, 0, CPU).from_draws(rows[None])[0]


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
    scores = {}
    for c in np.geomspace(1e-4, 1e3, 15):
        model = LogisticRegression(C=c, max_iter=5000).fit(inputs[fitting], labels[fitting])
        doubt = log_loss(labels[VALIDATION], model.predict_proba(inputs[VALIDATION]))
        scores[model.score(inputs[VALIDATION], labels[VALIDATION]), -doubt] = c
    best = scores[max(scores)]
    expected = plain(best, inputs, labels, queries)
    found = answers(train, labels, test, PARAMS, VALIDATION)
    assert np.mean(found == expected) > 0.995
    assert np.mean(plain(best, inputs[fitting], labels[fitting], queries) == expected) < 0.99, "refitting must show"
    for other in (1e-4, 1e3):
        assert np.mean(plain(other, inputs, labels, queries) == expected) < 0.995, "the choice must show"


def test_a_class_that_is_only_in_the_validation_rows_is_learned_in_the_end() -> None:
    train, labels = draw(120, seed=1, noise=0.05)
    found = answers(train, labels, train, PARAMS, np.flatnonzero(labels == 2))
    assert np.mean(found == labels) > 0.98


def test_the_test_images_decide_nothing() -> None:
    """The probe is never given their labels, and what it says of one image does not depend on the others."""
    (train, labels), (test, _) = draw(120, seed=1), draw(100, seed=2)
    corrupted = test.copy()
    corrupted[50:] *= -100
    found, beside = (answers(train, labels, images, PARAMS, VALIDATION) for images in (test, corrupted))
    np.testing.assert_array_equal(found[:50], beside[:50])
    assert np.any(found[50:] != beside[50:])


def test_few_labels_are_fitted_with_the_c_of_params_on_those_rows_alone() -> None:
    (train, labels), (test, _) = draw(120, seed=1), draw(400, seed=2)
    rows = np.array([0, 1, 2, 30, 31, 32])
    inputs, queries = standard(train, train), standard(test, train)
    expected = plain(0.01, inputs[rows], labels[rows], queries)
    np.testing.assert_array_equal(from_rows(rows, train, labels, test, 0.01), expected)
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
    assert 0.05 < expected.mean() < 0.95
    assert np.mean(from_rows(np.arange(40), train, labels, test, c) == expected) > 0.995


@pytest.mark.filterwarnings("error")
def test_a_sweep_that_runs_out_of_iterations_says_nothing_on_the_users_terminal() -> None:
    train, labels = draw(120, seed=1)
    hasty = PARAMS.model_copy(update={"max_iterations": 2})
    found = answers(train, labels, train, hasty, VALIDATION)
    assert np.mean(found == labels) > 0.5


def coefficients(model: LogisticRegression) -> np.ndarray:
    """Of features and bias, centred over classes as the penalty has them: (D + 1, K)."""
    both = np.concatenate([model.coef_.T, model.intercept_[None]])
    both[-1] -= both[-1].mean()
    return both


def ours(made: LogisticProbe, weights: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The probe's weights in standardised features, turned back from the principal axes: (D + 1, K)."""
    inputs = standard(train, train)
    axes = np.linalg.lstsq(inputs, made.train[:, :-1].numpy(), rcond=None)[0]  # (D, D)
    both = np.concatenate([axes @ weights[:-1], weights[-1:]])
    both[-1] -= both[-1].mean()
    return both


def test_the_whole_sweep_has_scikit_learns_coefficients() -> None:
    """Each C, from a penalty that leaves nothing to one that is hardly there, within a thousandth."""
    train, labels = draw(600, seed=3)
    made = LogisticProbe(part(train, labels, train), PARAMS, 0, CPU)
    values = np.geomspace(1e-4, 1e3, 15)
    found = made.sweep(made.train, made.labels, torch.from_numpy(values)).numpy()
    for c, weights in zip(values, found, strict=True):
        model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(standard(train, train), labels)
        np.testing.assert_allclose(ours(made, weights, train), coefficients(model), atol=1e-3)
    assert np.abs(found[-1]).max() > 10 * np.abs(found[0][:-1]).max()


def test_draws_are_fitted_side_by_side_as_each_would_be_alone() -> None:
    train, labels = draw(120, seed=1)
    made = LogisticProbe(part(train, labels, train), PARAMS, 0, CPU)
    generator = np.random.default_rng(0)
    draws = np.stack([generator.choice(120, 12, replace=False) for _ in range(4)])
    weights = made.fit(made.train[draws], made.labels[draws], torch.tensor([0.1, 1.0, 10.0, 1.0])).numpy()
    for c, rows, found in zip((0.1, 1.0, 10.0, 1.0), draws, weights, strict=True):
        model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(standard(train, train)[rows], labels[rows])
        np.testing.assert_allclose(ours(made, found, train), coefficients(model), atol=1e-3)


def test_draws_in_portions_answer_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    (train, labels), (test, _) = draw(120, seed=1), draw(100, seed=2)
    made = LogisticProbe(part(train, labels, test), PARAMS, 0, CPU)
    draws = np.stack([np.arange(9) + 3 * n for n in range(5)])
    together = made.from_draws(draws)
    monkeypatch.setattr("components.probes.logistic.DRAWN", 2 * 9 * 13)
    np.testing.assert_array_equal(made.from_draws(draws), together)


@pytest.mark.parametrize("features", [np.ones((90, 4)), np.zeros((90, 4)), 1e6 * np.eye(4)[np.arange(90) % 3]])
def test_features_that_say_nothing_or_everything_give_an_answer(features: np.ndarray) -> None:
    labels = np.arange(90) % 3
    found = answers(features.astype(np.float32), labels, features.astype(np.float32), PARAMS, VALIDATION)
    assert np.mean(found == labels) in (pytest.approx(1 / 3), 1.0)


def test_two_classes_have_scikit_learns_one_weight() -> None:
    train, labels = draw(200, seed=3)
    labels = np.minimum(labels, 1)
    made = LogisticProbe(part(train, labels, train), PARAMS, 0, CPU)
    for c in (0.01, 1.0):
        found = made.fit(made.train, made.labels, torch.tensor([c], dtype=torch.float64))[0].numpy()
        model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(standard(train, train), labels)
        turned = ours(made, found, train)
        np.testing.assert_allclose((turned[:, 1] - turned[:, 0])[:-1], model.coef_[0], atol=1e-3)
        np.testing.assert_allclose(found[-1, 1] - found[-1, 0], model.intercept_[0], atol=1e-3)


def test_problems_and_rows_in_portions_are_fitted_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with thousands of classes, whose weights do not fit the memory for every C at once."""
    train, labels = draw(120, seed=1)
    made = LogisticProbe(part(train, labels, train), PARAMS, 0, CPU)
    values = torch.logspace(-3, 2, 7, dtype=torch.float64)
    together = made.sweep(made.train, made.labels, values)
    monkeypatch.setattr("components.evaluate.regression.WEIGHTS", 2 * 13 * 3)
    monkeypatch.setattr("components.evaluate.regression.PROBABILITIES", 50)
    torch.testing.assert_close(made.sweep(made.train, made.labels, values), together, atol=1e-6, rtol=0)
