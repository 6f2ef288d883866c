"""The logistic probe is checked against a plain loop over C with scikit-learn, each fit from scratch."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from components.evaluate.params import Logistic
from components.probes.logistic import LogisticProbe
from tests.probes.parts import CPU, make_part

PARAMS = Logistic(c_low=1e-4, c_high=1e3, c_count=15, few_label_c=1.0, max_iterations=500, tolerance=1e-8)
VALIDATION = np.arange(39)  # thirteen of each class


def predict_from_all(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, params: Logistic, validation: np.ndarray
) -> np.ndarray:
    """Predict from all labels."""
    return LogisticProbe(make_part(train, labels, test), params, 0, CPU).from_all(validation).predictions["accuracy"]


def predict_from_rows(
    rows: np.ndarray, train: np.ndarray, labels: np.ndarray, test: np.ndarray, few_label_c: float
) -> np.ndarray:
    """Predict from the labels of some rows."""
    params = PARAMS.model_copy(update={"few_label_c": few_label_c})
    return LogisticProbe(make_part(train, labels, test), params, 0, CPU).from_draws(rows[None])[0]


def draw(images: int, *, seed: int, features: int = 12, noise: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Draw three overlapping classes that four of the features depend on, so that the penalty matters."""
    generator = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    centres = np.zeros((3, features))
    centres[:, :4] = np.random.default_rng(0).normal(size=(3, 4))
    points = centres[labels] + noise * generator.normal(size=(images, features))
    return (points * np.linspace(0.1, 10, features) + 3).astype(np.float32), labels


def standardise_by(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    wide = train.astype(np.float64)
    return (features - wide.mean(0)) / wide.std(0)


def predict_plainly(c: float, train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    return LogisticRegression(C=c, max_iter=5000).fit(train, labels).predict(test)


@pytest.mark.parametrize("seed", [2, 5, 6, 8, 9])  # seeds for which the best C is neither the smallest nor the largest
def test_c_is_the_one_that_a_plain_loop_chooses_and_the_last_fit_is_on_all_rows(seed: int) -> None:
    (train, labels), (test, _) = draw(120, seed=seed), draw(400, seed=seed + 100)
    inputs, queries = standardise_by(train, train), standardise_by(test, train)
    fitting = np.setdiff1d(np.arange(120), VALIDATION)
    scores = {}
    for c in np.geomspace(1e-4, 1e3, 15):
        model = LogisticRegression(C=c, max_iter=5000).fit(inputs[fitting], labels[fitting])
        doubt = log_loss(labels[VALIDATION], model.predict_proba(inputs[VALIDATION]))
        scores[model.score(inputs[VALIDATION], labels[VALIDATION]), -doubt] = c
    best = scores[max(scores)]
    expected = predict_plainly(best, inputs, labels, queries)
    result = predict_from_all(train, labels, test, PARAMS, VALIDATION)
    assert np.mean(result == expected) > 0.995
    assert np.mean(predict_plainly(best, inputs[fitting], labels[fitting], queries) == expected) < 0.99, (
        "refitting must show"
    )
    for extreme in (1e-4, 1e3):
        assert np.mean(predict_plainly(extreme, inputs, labels, queries) == expected) < 0.995, "the choice must show"


def test_a_class_that_is_only_in_the_validation_rows_is_learned_in_the_end() -> None:
    train, labels = draw(120, seed=1, noise=0.05)
    result = predict_from_all(train, labels, train, PARAMS, np.flatnonzero(labels == 2))
    assert np.mean(result == labels) > 0.98


def test_the_test_images_decide_nothing() -> None:
    """The probe never gets their labels, and its answer for an image does not depend on the other images."""
    (train, labels), (test, _) = draw(120, seed=1), draw(100, seed=2)
    corrupted = test.copy()
    corrupted[50:] *= -100
    result, beside = (predict_from_all(train, labels, images, PARAMS, VALIDATION) for images in (test, corrupted))
    np.testing.assert_array_equal(result[:50], beside[:50])
    assert np.any(result[50:] != beside[50:])


def test_few_labels_are_fitted_with_the_c_of_params_on_those_rows_alone() -> None:
    (train, labels), (test, _) = draw(120, seed=1), draw(400, seed=2)
    rows = np.array([0, 1, 2, 30, 31, 32])
    inputs, queries = standardise_by(train, train), standardise_by(test, train)
    expected = predict_plainly(0.01, inputs[rows], labels[rows], queries)
    np.testing.assert_array_equal(predict_from_rows(rows, train, labels, test, 0.01), expected)
    assert np.any(predict_plainly(100.0, inputs[rows], labels[rows], queries) != expected)


def test_the_penalty_is_what_params_say_of_it() -> None:
    """Minimise the sum of log losses + |w|^2 / (2 C) with SciPy, the bias free: two classes are decided alike."""
    generator = np.random.default_rng(0)
    train = generator.normal(size=(40, 2)).astype(np.float32)
    labels = (train[:, 0] + 0.5 * generator.normal(size=40) > 0).astype(np.int64)
    test = generator.normal(size=(500, 2)).astype(np.float32)
    inputs, signs, c = standardise_by(train, train), 2 * labels - 1, 0.02

    def objective(weights: np.ndarray) -> float:
        margins = signs * (inputs @ weights[:2] + weights[2])
        return float(np.logaddexp(0, -margins).sum() + weights[:2] @ weights[:2] / (2 * c))

    best = minimize(objective, np.zeros(3), tol=1e-12).x
    expected = (standardise_by(test, train) @ best[:2] + best[2] > 0).astype(np.int64)
    assert 0.05 < expected.mean() < 0.95
    assert np.mean(predict_from_rows(np.arange(40), train, labels, test, c) == expected) > 0.995


@pytest.mark.filterwarnings("error")
def test_a_sweep_that_runs_out_of_iterations_says_nothing_on_the_users_terminal() -> None:
    train, labels = draw(120, seed=1)
    hasty = PARAMS.model_copy(update={"max_iterations": 2})
    result = predict_from_all(train, labels, train, hasty, VALIDATION)
    assert np.mean(result == labels) > 0.5


def centre_coefficients(model: LogisticRegression) -> np.ndarray:
    """Return the coefficients of features and bias, centred over classes like the penalty's optimum: (D + 1, K)."""
    both = np.concatenate([model.coef_.T, model.intercept_[None]])
    both[-1] -= both[-1].mean()
    return both


def rotate_back(made: LogisticProbe, weights: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Rotate the probe's weights back from the principal axes to standardised features: (D + 1, K)."""
    inputs = standardise_by(train, train)
    axes = np.linalg.lstsq(inputs, made.train[:, :-1].numpy(), rcond=None)[0]  # (D, D)
    both = np.concatenate([axes @ weights[:-1], weights[-1:]])
    both[-1] -= both[-1].mean()
    return both


def test_the_whole_sweep_has_scikit_learns_coefficients() -> None:
    """Coefficients agree within a thousandth for each C, from a very strong penalty to a very weak one."""
    train, labels = draw(600, seed=3)
    made = LogisticProbe(make_part(train, labels, train), PARAMS, 0, CPU)
    values = np.geomspace(1e-4, 1e3, 15)
    result = made.sweep(made.train, made.labels, torch.from_numpy(values)).numpy()
    for c, weights in zip(values, result, strict=True):
        model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(standardise_by(train, train), labels)
        np.testing.assert_allclose(rotate_back(made, weights, train), centre_coefficients(model), atol=1e-3)
    assert np.abs(result[-1]).max() > 10 * np.abs(result[0][:-1]).max()


def test_draws_are_fitted_side_by_side_as_each_would_be_alone() -> None:
    train, labels = draw(120, seed=1)
    made = LogisticProbe(make_part(train, labels, train), PARAMS, 0, CPU)
    generator = np.random.default_rng(0)
    draws = np.stack([generator.choice(120, 12, replace=False) for _ in range(4)])
    weights = made.fit(made.train[draws], made.labels[draws], torch.tensor([0.1, 1.0, 10.0, 1.0])).numpy()
    for c, rows, result in zip((0.1, 1.0, 10.0, 1.0), draws, weights, strict=True):
        model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(standardise_by(train, train)[rows], labels[rows])
        np.testing.assert_allclose(rotate_back(made, result, train), centre_coefficients(model), atol=1e-3)


def test_draws_in_portions_answer_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    (train, labels), (test, _) = draw(120, seed=1), draw(100, seed=2)
    made = LogisticProbe(make_part(train, labels, test), PARAMS, 0, CPU)
    draws = np.stack([np.arange(9) + 3 * n for n in range(5)])
    together = made.from_draws(draws)
    monkeypatch.setattr("components.probes.logistic.DRAWN", 2 * 9 * 13)
    np.testing.assert_array_equal(made.from_draws(draws), together)


@pytest.mark.parametrize("features", [np.ones((90, 4)), np.zeros((90, 4)), 1e6 * np.eye(4)[np.arange(90) % 3]])
def test_features_that_say_nothing_or_everything_give_an_answer(features: np.ndarray) -> None:
    labels = np.arange(90) % 3
    result = predict_from_all(features.astype(np.float32), labels, features.astype(np.float32), PARAMS, VALIDATION)
    assert np.mean(result == labels) in (pytest.approx(1 / 3), 1.0)


def test_rows_fewer_than_features_have_scikit_learns_answers() -> None:
    """Sixty images of 200 features, a third of which repeat another image, as a small data set's pixels would."""
    train, labels = draw(60, seed=3, features=200)
    test, _ = draw(300, seed=4, features=200)
    train[40:], labels[40:] = train[:20], labels[:20]
    made = LogisticProbe(make_part(train, labels, test), PARAMS, 0, CPU)
    assert made.train.shape == (60, 39 + 1), "the rank of 40 centred images, and the bias"
    values = np.array([1e-3, 0.1, 10.0])
    fitted = made.fit(made.train, made.labels, torch.from_numpy(values))
    scale = train.std(0, dtype=np.float64)
    inputs, queries = ((x.astype(np.float64) - train.mean(0, dtype=np.float64)) / scale for x in (train, test))
    for c, weights in zip(values, fitted, strict=True):
        model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(inputs, labels)
        logits = (made.test @ weights).numpy()
        expected = model.decision_function(queries)
        np.testing.assert_allclose(logits - logits.mean(1, keepdims=True), expected, atol=1e-3)


def test_copies_of_images_give_no_weight_to_what_only_rounding_sees() -> None:
    """Three images, each twice, hardly penalised; most of a test image lies outside their span."""
    generator = np.random.default_rng(0)
    train, test = (generator.normal(size=(count, 300)).astype(np.float32) for count in (6, 30))
    train[3:], labels = train[:3], np.arange(6) % 3
    params = Logistic(c_low=1e-6, c_high=1e5, c_count=45, few_label_c=1.0, max_iterations=100, tolerance=1e-4)
    made = LogisticProbe(make_part(train, labels, test), params, 0, CPU)
    weights, c = made.choose(np.arange(3))
    inputs, queries = ((x.astype(np.float64) - train.mean(0)) / train.std(0, dtype=np.float64) for x in (train, test))
    model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(inputs, labels)
    np.testing.assert_array_equal((made.test @ weights[0]).argmax(1), model.predict(queries))


def test_two_classes_have_scikit_learns_one_weight() -> None:
    train, labels = draw(200, seed=3)
    labels = np.minimum(labels, 1)
    made = LogisticProbe(make_part(train, labels, train), PARAMS, 0, CPU)
    for c in (0.01, 1.0):
        result = made.fit(made.train, made.labels, torch.tensor([c], dtype=torch.float64))[0].numpy()
        model = LogisticRegression(C=c, max_iter=5000, tol=1e-9).fit(standardise_by(train, train), labels)
        turned = rotate_back(made, result, train)
        np.testing.assert_allclose((turned[:, 1] - turned[:, 0])[:-1], model.coef_[0], atol=1e-3)
        np.testing.assert_allclose(result[-1, 1] - result[-1, 0], model.intercept_[0], atol=1e-3)


def test_problems_and_rows_in_portions_are_fitted_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of classes, the weights of every C at once would not fit in memory."""
    train, labels = draw(120, seed=1)
    made = LogisticProbe(make_part(train, labels, train), PARAMS, 0, CPU)
    values = torch.logspace(-3, 2, 7, dtype=torch.float64)
    together = made.sweep(made.train, made.labels, values)
    monkeypatch.setattr("components.features.judging.regression.WEIGHTS", 2 * 13 * 3)
    monkeypatch.setattr("components.features.judging.regression.PROBABILITIES", 50)
    torch.testing.assert_close(made.sweep(made.train, made.labels, values), together, atol=1e-6, rtol=0)
