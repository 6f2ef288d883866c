"""The linear probe is checked against autograd and PyTorch's SGD in float64, and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from components.evaluate.params import Linear
from components.features.judging.regression import append_ones, predict
from components.probes.linear import LinearProbe, Setting, fit_layers
from tests.probes.parts import CPU, make_part

CLASSES = 3


def make_params(*rates: float, epochs: int = 100, batch: int = 64, momentum: float = 0.9, decay: float = 0.0) -> Linear:
    return Linear.model_construct(  # not checked: one rate is above what params.yaml may have
        learning_rates=rates,
        weight_decays=(decay,),
        few_label_learning_rate=rates[0],
        few_label_weight_decay=decay,
        momentum=momentum,
        epochs=epochs,
        batch_size=batch,
    )


def predict_from_all(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, params: Linear, validation: np.ndarray
) -> np.ndarray:
    """Predict from all labels."""
    return LinearProbe(make_part(train, labels, test), params, 0, CPU).from_all(validation).predictions["accuracy"]


def predict_from_rows(
    rows: np.ndarray, train: np.ndarray, labels: np.ndarray, test: np.ndarray, params: Linear
) -> np.ndarray:
    """Predict from the labels of some rows."""
    return LinearProbe(make_part(train, labels, test), params, 0, CPU).from_draws(rows[None])[0]


def draw(images: int, *, seed: int, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw three classes around the corners of a triangle; scale and offset differ by feature."""
    generator = np.random.default_rng(seed)
    labels = np.arange(images) % CLASSES
    corners = apart * np.array([[0.0, 2.0], [-1.7, -1.0], [1.7, -1.0]])
    points = corners[labels] + generator.normal(scale=0.5, size=(images, 2))
    return (points * [1.0, 30.0] + [5.0, -100.0]).astype(np.float32), labels


def fit_by_torch(inputs: Tensor, labels: Tensor, rate: float, decay: float, params: Linear) -> Tensor:
    """Fit full batches by autograd and torch.optim.SGD in float64: weights (D + 1, K)."""
    weights = torch.zeros(inputs.shape[1], CLASSES, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([weights], lr=rate, momentum=params.momentum, weight_decay=decay)
    for step in range(params.epochs):
        optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / params.epochs)) / 2
        optimiser.zero_grad()
        F.cross_entropy(inputs.double() @ weights, labels).backward()
        optimiser.step()
    return weights.detach()


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.05)])
def test_every_rate_takes_the_steps_of_autograd_and_sgd(momentum: float, decay: float) -> None:
    """All rates run as one batched product; each must end where it ends alone."""
    params = make_params(0.01, 0.3, 2.0, epochs=15, batch=1000, momentum=momentum, decay=decay)
    generator = torch.Generator().manual_seed(0)
    inputs = append_ones(torch.randn(40, 5, generator=generator))
    labels = torch.randint(0, CLASSES, (40,), generator=generator)
    grid = [Setting(rate, weight_decay) for rate in params.learning_rates for weight_decay in (decay, 2 * decay)]
    weights = fit_layers(inputs, labels, grid, classes=CLASSES, params=params, seed=0)
    assert weights.shape == (6, 6, CLASSES)
    for setting, fitted in zip(grid, weights, strict=True):
        expected = fit_by_torch(inputs, labels, *setting, params)
        torch.testing.assert_close(fitted.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("apart", [False, True])
def test_rows_fewer_than_features_take_the_same_steps(apart: bool) -> None:
    """Seven rows of 40 features, two of them equal, one of zeros, the same or other rows for each setting."""
    params = make_params(0.01, 0.3, epochs=30, batch=1000, decay=0.05)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2 if apart else 1, 7, 39, generator=generator)
    rows[:, 3], rows[:, 5] = rows[:, 1], 0.0
    inputs, labels = append_ones(rows.flatten(0, 1)).view(*rows.shape[:2], 40), torch.arange(7).remainder(CLASSES)
    grid = [Setting(rate, 0.05) for rate in params.learning_rates]
    given = (inputs, labels.expand(2, -1)) if apart else (inputs[0], labels)
    weights = fit_layers(*given, grid, classes=CLASSES, params=params, seed=0)
    for number, (setting, fitted) in enumerate(zip(grid, weights, strict=True)):
        expected = fit_by_torch(inputs[number if apart else 0], labels, *setting, params)
        torch.testing.assert_close(fitted.double(), expected, rtol=1e-4, atol=1e-5)


def test_batches_of_few_rows_of_many_features_are_those_of_many_rows() -> None:
    """The images are turned into a space of more dimensions than there are images; nothing else changes."""
    generator = np.random.default_rng(0)
    train, labels = draw(90, seed=1)
    points = np.concatenate([train / [1, 30], generator.normal(size=(90, 38))], axis=1)
    turned = points @ np.linalg.qr(generator.normal(size=(200, 40)))[0].T  # (90, 200)
    params, grid = make_params(0.3, epochs=8, batch=16), [Setting(0.3, 0.01), Setting(0.03, 0.0)]
    few, many = (
        fit_layers(inputs, torch.from_numpy(labels), grid, classes=CLASSES, params=params, seed=3)
        for inputs in (append_ones(torch.from_numpy(x).float()) for x in (points, turned))
    )
    logits = [append_ones(torch.from_numpy(x).float()) @ fitted for x, fitted in ((points, few), (turned, many))]
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-4, atol=1e-4)


def test_the_first_step_worked_out_by_hand() -> None:
    """From zero every class has probability 1/2; two images x = 2 of class 0 and x = -1 of class 1, rate 1.

    Gradient for class 0: ((1/2 - 1) * 2 + (1/2 - 0) * (-1)) / 2 = -3/4 by x, (-1/2 + 1/2) / 2 = 0 by the bias.
    """
    inputs = append_ones(torch.tensor([[2.0], [-1.0]]))
    params = make_params(1.0, epochs=1, batch=2)
    weights = fit_layers(inputs, torch.tensor([0, 1]), [Setting(1.0, 0.0)], classes=2, params=params, seed=0)
    torch.testing.assert_close(weights[0], torch.tensor([[0.75, -0.75], [0.0, 0.0]]))
    assert predict(weights, append_ones(torch.tensor([[0.1], [-0.1]]))).tolist() == [[0, 1]]


def test_on_separable_classes_it_decides_as_logistic_regression_does() -> None:
    """Features on scales of 1 and 30 and far from zero: without standardising and a bias this fails."""
    (train, labels), (test, truth) = draw(300, seed=1, apart=1.5), draw(150, seed=2, apart=1.5)
    reference = LogisticRegression(C=1e4, max_iter=5000).fit((train - train.mean(0)) / train.std(0), labels)
    expected = reference.predict((test - train.mean(0)) / train.std(0))
    predicted = predict_from_all(train, labels, test, make_params(0.3), np.arange(60))
    assert np.mean(expected == truth) > 0.97
    assert np.mean(predicted == expected) > 0.98


def test_a_class_between_two_others_is_found() -> None:
    """On a line from left to right only a bias tells the middle from both sides."""
    train = np.repeat([-1.0, 0.0, 1.0], 20)[:, None].astype(np.float32)
    labels = np.repeat([0, 1, 2], 20)
    predicted = predict_from_rows(np.arange(60), train, labels, train, make_params(0.3))
    np.testing.assert_array_equal(predicted, labels)


def test_mini_batches_show_every_image() -> None:
    """The only image of a class is learned although batches have 4 images."""
    train = np.array([[-1.0 - n / 20, 0.0] for n in range(12)] + [[3.0, 1.0]], dtype=np.float32)
    labels = np.array([0] * 12 + [1])
    predicted = predict_from_rows(np.arange(13), train, labels, train, make_params(0.1, epochs=40, batch=4))
    assert predicted.tolist() == labels.tolist()


@pytest.fixture
def slanted() -> tuple[np.ndarray, np.ndarray]:
    """Two features that share a large noise and differ by a small signal: the difference of the class means, which is
    where the first step goes, is a poor direction; many steps find a good one."""
    generator = np.random.default_rng(0)
    labels = np.arange(600) % 2
    noise = generator.normal(size=600)
    signal = 0.25 * (2 * labels - 1) + 0.05 * generator.normal(size=600)
    return np.stack([noise + signal, noise], 1).astype(np.float32), labels


def predict_alone(rate: float, train: np.ndarray, test: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Predict with a probe that has only this rate."""
    return predict_from_all(train, labels, test, make_params(rate), np.arange(100))


def test_a_rate_too_low_and_a_rate_too_high_lose(slanted: tuple[np.ndarray, np.ndarray]) -> None:
    features, labels = slanted
    train, test, truth = features[:400], features[400:], labels[400:]
    predicted = predict_from_all(train, labels[:400], test, make_params(1e-6, 0.3, 1e38), np.arange(100))
    right = {rate: np.mean(predict_alone(rate, train, test, labels[:400]) == truth) for rate in (1e-6, 0.3, 1e38)}
    assert right[0.3] > 0.97
    assert right[1e-6] < 0.9
    assert right[1e38] < 0.9
    np.testing.assert_array_equal(predicted, predict_alone(0.3, train, test, labels[:400]))


def test_the_rate_is_chosen_on_the_validation_rows(slanted: tuple[np.ndarray, np.ndarray]) -> None:
    """Only the first direction gets the validation labels right, so that the tiny rate wins although it fits worse."""
    features, labels = slanted
    train, test, labels = features[:400], features[400:], labels[:400].copy()
    validation = np.arange(100)
    fitting = np.arange(100, 400)
    standard = append_ones(torch.from_numpy((train - train.mean(0)) / train.std(0)).float())
    known = torch.from_numpy(labels[fitting])
    first = fit_layers(standard[fitting], known, [Setting(1e-6, 0.0)], classes=2, params=make_params(1.0), seed=0)
    labels[validation] = predict(first, standard[validation])[0].numpy()
    predicted = predict_from_all(train, labels, test, make_params(1e-6, 0.3), validation)
    low, middle = (predict_alone(rate, train, test, labels) for rate in (1e-6, 0.3))
    assert np.mean(low != middle) > 0.05
    np.testing.assert_array_equal(predicted, low)


def test_the_validation_rows_are_held_out_while_the_rate_is_chosen() -> None:
    """With 80 features and 200 images the high rate learns by heart; rows it was fitted to would favour it."""
    generator = np.random.default_rng(3)
    labels = np.arange(400) % 2
    points = (generator.normal(size=(400, 80)) + 0.16 * (2 * labels - 1)[:, None]).astype(np.float32)
    train, test, known = points[:200], points[200:], labels[:200]
    low, high = (predict_alone(rate, train, test, known) for rate in (1e-4, 0.3))
    predicted = predict_from_all(train, known, test, make_params(1e-4, 0.3), np.arange(100))
    assert np.mean(low != high) > 0.05
    np.testing.assert_array_equal(predicted, low)


def test_the_test_images_decide_nothing(slanted: tuple[np.ndarray, np.ndarray]) -> None:
    """The probe never gets their labels, and its answer for an image does not depend on the other images."""
    features, labels = slanted
    train, test = features[:400], features[400:]
    corrupted = test.copy()
    corrupted[50:] = -1000 * corrupted[50:]
    predicted, beside = (
        predict_from_all(train, labels[:400], images, make_params(1e-6, 0.03, 0.3), np.arange(100))
        for images in (test, corrupted)
    )
    np.testing.assert_array_equal(predicted[:50], beside[:50])
    assert np.any(predicted[50:] != beside[50:])


def test_the_last_fit_is_on_all_rows_and_not_only_on_those_that_the_rate_was_chosen_on() -> None:
    """Class 2 is only in the validation rows."""
    train, labels = draw(90, seed=1, apart=3.0)
    predicted = predict_from_all(train, labels, train, make_params(0.3), np.flatnonzero(labels == 2))
    assert np.mean(predicted[labels == 2] == 2) > 0.95


def test_few_labels_are_fitted_on_those_rows_alone() -> None:
    """The labels of the other rows are not used: only the few labels decide what is predicted."""
    train, labels = draw(90, seed=1, apart=3.0)
    rows, others = np.array([0, 1, 2]), np.resize(labels[::-1], 90)
    others[rows] = labels[rows]
    predicted = predict_from_rows(rows, train, others, train, make_params(0.3))
    assert np.mean(predicted == labels) > 0.95
    renamed = predict_from_rows(rows, train, (others + 1) % CLASSES, train, make_params(0.3))
    assert np.mean(renamed == (labels + 1) % CLASSES) > 0.95


def test_the_same_seed_gives_the_same_predictions_and_weights() -> None:
    train, labels = draw(200, seed=1, apart=0.3)
    inputs, targets, params = (
        append_ones(torch.from_numpy(train) / 100),
        torch.from_numpy(labels),
        make_params(0.3, epochs=3),
    )
    grid = [Setting(0.3, 0.0)]
    runs = [fit_layers(inputs, targets, grid, classes=CLASSES, params=params, seed=seed) for seed in (5, 5, 6)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
