"""The kNN probe against scikit-learn's classifier with a weight of its own, and a vote counted by hand."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from components.params.evaluate import Knn
from components.probes.knn import KnnProbe

NO_ROWS = np.array([], dtype=np.int64)


def blobs(images: int, *, seed: int, classes: int = 4, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes, and lengths that differ tenfold: features (M, D) float32, labels (M,)."""
    centres = np.random.default_rng(0).normal(size=(classes, features))
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    points = centres[labels] + generator.normal(size=(images, features))
    return (points * generator.uniform(0.5, 5, (images, 1))).astype(np.float32), labels


def probe(train: np.ndarray, test: np.ndarray, *, k: int, temperature: float, classes: int = 4) -> KnnProbe:
    return KnnProbe(train, test, classes, Knn(k=k, temperature=temperature), seed=0)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (20, 0.5), (200, 0.1)])
def test_predictions_are_those_of_scikit_learn(k: int, temperature: float) -> None:
    (train, labels), (test, _) = blobs(300, seed=1), blobs(200, seed=2)

    def normalised(features: np.ndarray) -> np.ndarray:
        wide = features.astype(np.float64)
        return wide / np.linalg.norm(wide, axis=1, keepdims=True)

    def weights(distance: np.ndarray) -> np.ndarray:
        return np.exp((1 - distance) / temperature)

    reference = KNeighborsClassifier(k, weights=weights, metric="cosine", algorithm="brute")
    expected = reference.fit(normalised(train), labels).predict(normalised(test))
    found = probe(train, test, k=k, temperature=temperature).from_all(labels, NO_ROWS)
    assert len(set(expected)) == 4
    np.testing.assert_array_equal(found, expected)


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
    found = probe(train, np.array([[2.0, 0.0]], dtype=np.float32), k=k, temperature=temperature, classes=2)
    assert found.from_all(np.array([0, 1, 1]), NO_ROWS).tolist() == [expected]


def test_a_bank_smaller_than_k_votes_as_a_whole() -> None:
    """Few labels are the usual case: 20 neighbours are asked for and 4 images have a label."""
    (train, labels), (test, _) = blobs(60, seed=1), blobs(50, seed=2)
    rows = np.array([np.flatnonzero(labels == name)[-1] for name in range(4)])
    few = probe(train, test, k=20, temperature=0.07).from_few(rows, labels[rows])
    whole = probe(train[rows], test, k=4, temperature=0.07).from_all(labels[rows], NO_ROWS)
    np.testing.assert_array_equal(few, whole)
    assert len(set(few)) > 1


def test_only_the_labelled_rows_vote() -> None:
    train = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    asked = probe(train, np.array([[1.0, 0.0]], dtype=np.float32), k=1, temperature=0.07, classes=3)
    assert asked.from_all(np.array([0, 1, 2]), NO_ROWS).tolist() == [0]
    assert asked.from_few(np.array([1, 2]), np.array([1, 2])).tolist() == [1]
    assert asked.from_few(np.array([2, 0]), np.array([2, 0])).tolist() == [0]


def test_validation_rows_vote_as_well_because_nothing_is_chosen_on_them() -> None:
    (train, labels), (test, _) = blobs(60, seed=1), blobs(50, seed=2)
    made = probe(train, test, k=5, temperature=0.07)
    np.testing.assert_array_equal(made.from_all(labels, np.arange(30)), made.from_all(labels, NO_ROWS))


@pytest.mark.parametrize(
    "temperature",
    [
        0.001,
        1e-4,
    ],
)
def test_a_very_low_temperature_neither_overflows_nor_forgets_the_nearest(temperature: float) -> None:
    (train, labels), (test, _) = blobs(100, seed=1), blobs(50, seed=2)
    nearest = probe(train, test, k=1, temperature=1.0).from_all(labels, NO_ROWS)
    cold = probe(train, test, k=10, temperature=temperature).from_all(labels, NO_ROWS)
    assert np.mean(cold == nearest) > 0.9
