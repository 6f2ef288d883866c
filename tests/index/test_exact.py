"""Exact search is exact: it agrees with scikit-learn, whatever the block, the threads and the ties."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from components.features.cosine import normalise_rows
from components.index import exact
from components.index.exact import search_exactly
from tests.index.made import make_features


@pytest.mark.parametrize("queries", [1, 3, 200])
@pytest.mark.parametrize("threads", [1, 2])
def test_neighbours_are_scikit_learns(queries: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "BLOCK", 64)
    vectors, asked = normalise_rows(make_features(500)), normalise_rows(make_features(queries, seed=1))
    reference = NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(vectors.astype(np.float64))
    distances, near = reference.kneighbors(asked.astype(np.float64))
    with ThreadPoolExecutor(threads) as pool:
        rows, cosines = search_exactly(vectors, asked, 7, pool.map)
    assert rows.tolist() == near.tolist()
    np.testing.assert_allclose(cosines, 1 - distances, atol=1e-6)
    assert cosines.dtype == np.float32


@pytest.mark.parametrize("queries", [1, 20])
def test_images_with_the_same_features_come_in_the_order_of_their_rows(
    queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product of matrices rounds otherwise at the end of a block, and the page would show copies in any order."""
    monkeypatch.setattr(exact, "BLOCK", 37)
    copies = np.tile(normalise_rows(make_features(5, width=61)), (40, 1))  # image n is a copy of image n + 5
    rows, cosines = search_exactly(copies, copies[:1].repeat(queries, axis=0), 12)
    assert rows.tolist() == [list(range(0, 60, 5))] * queries
    assert len(set(cosines.ravel().tolist())) == 1


def test_a_collapsed_encoder_gives_the_first_images_and_little_memory_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "TIED", 20)
    rows, cosines = search_exactly(np.full((50_000, 4), 0.5, np.float32), np.full((1, 4), 0.5, np.float32), 3)
    assert rows.tolist() == [[0, 1, 2]]
    assert cosines.tolist() == [[1.0, 1.0, 1.0]]


def test_many_ties_at_the_end_leave_those_above_them_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "TIED", 5)
    vectors = np.tile(np.array([[0, 1]], np.float32), (300, 1))
    vectors[[299, 150]] = [[1, 0], [0.6, 0.8]]
    rows, _ = search_exactly(vectors, np.array([[1, 0]], np.float32), 4)
    assert rows.tolist() == [[299, 150, 0, 1]]


def test_fewer_images_than_neighbours_are_all_found() -> None:
    rows, cosines = search_exactly(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[:1], 10)
    assert rows.tolist() == [[0, 1, 2]]
    assert cosines.tolist() == [[1.0, 0.0, 0.0]]


def test_no_query_has_no_answer() -> None:
    rows, cosines = search_exactly(np.eye(3, dtype=np.float32), np.empty((0, 3), np.float32), 2)
    assert rows.shape == cosines.shape == (0, 2)
