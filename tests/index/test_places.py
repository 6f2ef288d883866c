"""The map puts images among those that they resemble, the same each time."""

import numpy as np

from components.features.cosine import normalise_rows
from components.index.among import place_among
from components.index.places import make_map
from tests.index.made import make_features


def make(vectors: np.ndarray, sample: int) -> np.ndarray:
    return make_map(vectors, sample, 0, lambda count: None)


def test_images_outside_the_sample_lie_among_their_like() -> None:
    vectors = normalise_rows(make_features(400)).astype(np.float32)
    places, kinds = make(vectors, 100), np.arange(400) % 10
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (kinds[distances.argmin(1)] == kinds).mean() > 0.95
    assert (places == make(vectors, 100)).all(), "the same each time"
    assert 0.99 < np.abs(places).max() < 1.01


def test_a_picture_lies_where_the_same_picture_lies_else_between_its_neighbours() -> None:
    places = np.array([[0, 0], [1, 0], [0, 2]], np.float32)
    rows = np.array([[1, 0, 2], [1, 0, 2]])
    cosines = np.array([[1, 0.9, 0.9], [0.98, 0.96, 0.92]], np.float32)
    placed = place_among(places, rows, cosines)
    np.testing.assert_allclose(placed[0], [1, 0], atol=1e-4)
    weights = np.array([1 / 0.04, 1 / 0.08, 1 / 0.16])  # 2 - 2 x cosine
    np.testing.assert_allclose(placed[1], weights @ places[rows[1]] / weights.sum(), atol=1e-3)
