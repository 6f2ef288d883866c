"""The kNN probe is checked against scikit-learn's classifier with the same weights, and votes counted by hand."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from components.evaluate.params import Knn, Vote
from components.probes.knn import KnnProbe
from tests.probes.parts import CPU, make_part

NO_ROWS = np.array([], dtype=np.int64)


def draw_blobs(images: int, *, seed: int, classes: int = 4, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Draw overlapping classes with lengths that differ tenfold: features (M, D) float32, labels (M,)."""
    centres = np.random.default_rng(0).normal(size=(classes, features))
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    points = centres[labels] + generator.normal(size=(images, features))
    return (points * generator.uniform(0.5, 5, (images, 1))).astype(np.float32), labels


def make_probe(train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, k: int, temperature: float) -> KnnProbe:
    return KnnProbe(make_part(train, labels, test), Knn(k=k, temperature=temperature, also=()), 0, CPU)


def predict(train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, k: int, temperature: float) -> np.ndarray:
    return make_probe(train, labels, test, k=k, temperature=temperature).from_all(NO_ROWS).predictions["accuracy"]


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (20, 0.5), (200, 0.1)])
def test_predictions_are_those_of_scikit_learn(k: int, temperature: float) -> None:
    (train, labels), (test, _) = draw_blobs(300, seed=1), draw_blobs(200, seed=2)

    def normalise(features: np.ndarray) -> np.ndarray:
        wide = features.astype(np.float64)
        return wide / np.linalg.norm(wide, axis=1, keepdims=True)

    def weigh(distance: np.ndarray) -> np.ndarray:
        return np.exp((1 - distance) / temperature)

    reference = KNeighborsClassifier(k, weights=weigh, metric="cosine", algorithm="brute")
    expected = reference.fit(normalise(train), labels).predict(normalise(test))
    predicted = predict(train, labels, test, k=k, temperature=temperature)
    assert len(set(expected)) == 4
    np.testing.assert_array_equal(predicted, expected)


@pytest.mark.parametrize(
    ("k", "temperature", "expected"),
    [
        (1, 0.07, 0),
        (3, 0.07, 0),  # exp(1 / 0.07) against 2 exp(0.9 / 0.07): by exp(-1 / 0.07), 1 against 2 * 0.240 = 0.479
        (3, 0.2, 1),  # 1 against 2 * exp(-0.5) = 1.213
        (3, 10.0, 1),  # nearly a plain majority
    ],
)
def test_a_vote_of_three_neighbours_worked_out_by_hand(k: int, temperature: float, expected: int) -> None:
    """One neighbour of class 0 at cosine 1, two of class 1 at cosine 0.9; the query lies on the first."""
    sine = np.sqrt(1 - 0.9**2)
    train = np.array([[7.0, 0.0], [0.9, sine], [9.0, -10 * sine]], dtype=np.float32)
    query = np.array([[2.0, 0.0]], dtype=np.float32)
    assert predict(train, np.array([0, 1, 1]), query, k=k, temperature=temperature).tolist() == [expected]


def test_a_further_vote_of_more_neighbours_than_there_are_is_left_out() -> None:
    (train, labels), (test, _) = draw_blobs(30, seed=1), draw_blobs(20, seed=2)
    params = Knn(k=20, temperature=0.07, also=(Vote(k=30, temperature=0.1), Vote(k=31, temperature=0.1)))
    answers = KnnProbe(make_part(train, labels, test), params, 0, CPU).from_all(NO_ROWS)
    assert list(answers.predictions) == ["accuracy", "accuracy_k30"]
    assert answers.left_out == {"accuracy_k31": "there are only 30 labelled train images"}


def test_a_bank_smaller_than_k_votes_as_a_whole() -> None:
    """Few labels are the usual case: params ask for 20 neighbours, and 4 images have a label."""
    (train, labels), (test, _) = draw_blobs(60, seed=1), draw_blobs(50, seed=2)
    rows = np.array([np.flatnonzero(labels == name)[-1] for name in range(4)])
    few = make_probe(train, labels, test, k=20, temperature=0.07).from_draws(rows[None])[0]
    whole = predict(train[rows], labels[rows], test, k=4, temperature=0.07)
    np.testing.assert_array_equal(few, whole)
    assert len(set(few)) > 1


def test_only_the_labelled_rows_vote() -> None:
    train = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    made = make_probe(train, np.array([0, 1, 2]), query, k=1, temperature=0.07)
    assert made.from_all(NO_ROWS).predictions["accuracy"].tolist() == [0]
    assert made.from_draws(np.array([[1, 2], [2, 0]])).tolist() == [[1], [0]]


def test_validation_rows_vote_as_well_because_nothing_is_chosen_on_them() -> None:
    (train, labels), (test, _) = draw_blobs(60, seed=1), draw_blobs(50, seed=2)
    made = make_probe(train, labels, test, k=5, temperature=0.07)
    held_out, none = (made.from_all(rows).predictions["accuracy"] for rows in (np.arange(30), NO_ROWS))
    np.testing.assert_array_equal(held_out, none)


def test_each_habit_of_voting_gives_the_accuracy_that_bears_its_name() -> None:
    (train, labels), (test, _) = draw_blobs(100, seed=1), draw_blobs(80, seed=2)
    votes = (Vote(k=3, temperature=0.07), Vote(k=60, temperature=10.0))
    params = Knn(k=3, temperature=0.07, also=votes[1:])
    predictions = KnnProbe(make_part(train, labels, test), params, 0, CPU).from_all(NO_ROWS).predictions
    assert list(predictions) == ["accuracy", "accuracy_k60"]
    for vote, predicted in zip(votes, predictions.values(), strict=True):
        np.testing.assert_array_equal(predicted, predict(train, labels, test, k=vote.k, temperature=vote.temperature))
    assert np.any(predictions["accuracy"] != predictions["accuracy_k60"])


def test_a_bank_in_portions_votes_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    (train, labels), (test, _) = draw_blobs(100, seed=1), draw_blobs(83, seed=2)
    whole = predict(train, labels, test, k=5, temperature=0.07)
    monkeypatch.setattr("components.probes.knn.PORTION", 1000)  # ten queries at a time
    np.testing.assert_array_equal(predict(train, labels, test, k=5, temperature=0.07), whole)


@pytest.mark.parametrize(
    "temperature",
    [
        0.001,
        1e-4,
    ],
)
def test_a_very_low_temperature_neither_overflows_nor_forgets_the_nearest(temperature: float) -> None:
    (train, labels), (test, _) = draw_blobs(100, seed=1), draw_blobs(50, seed=2)
    nearest = predict(train, labels, test, k=1, temperature=1.0)
    cold = predict(train, labels, test, k=10, temperature=temperature)
    assert np.mean(cold == nearest) > 0.9
