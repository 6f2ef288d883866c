"""Neighbours found block by block are those of the whole table of cosines."""

import numpy as np
import pytest

from components.labels import neighbours
from tests.labels.made import CPU


@pytest.mark.parametrize(("queries", "bank"), [(7, 13), (64, 1000), (50, 5)])
def test_blocks_find_what_the_whole_table_finds(monkeypatch: pytest.MonkeyPatch, queries: int, bank: int) -> None:
    monkeypatch.setattr(neighbours, "QUERIES", queries)
    monkeypatch.setattr(neighbours, "BANK", bank)
    features = np.random.default_rng(0).normal(0, 1, (100, 6)).astype(np.float32)
    rows, cosines = neighbours.find_neighbours(features, 9, CPU)
    units = features.astype(np.float64) / np.linalg.norm(features, axis=1, keepdims=True)
    table = units @ units.T
    np.fill_diagonal(table, -np.inf)
    expected = np.argsort(-table, axis=1)[:, :9]
    assert rows.tolist() == expected.tolist()
    np.testing.assert_allclose(cosines, np.take_along_axis(table, expected, 1), atol=1e-6)


def test_fewer_images_have_fewer_neighbours_and_zeros_are_near_nothing() -> None:
    rows, cosines = neighbours.find_neighbours(np.array([[0, 0], [1, 0], [1, 1]], np.float32), 10, CPU)
    assert rows.shape == (3, 2)
    assert rows[1].tolist() == [2, 0]
    assert cosines[0].tolist() == [0, 0]
