"""K-centre takes the image that is farthest from all labelled and chosen ones."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from components.select import cosines
from components.strategies import kcentre
from tests.select.chosen import CPU, choose_from, make_pool, make_select_settings


@pytest.mark.parametrize("entries", [2**24, 50])
def test_it_is_the_papers_algorithm(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Algorithm 1 written out with all distances in float64."""
    monkeypatch.setattr(cosines, "ENTRIES", entries)
    pool = make_pool(np.random.default_rng(0).normal(size=(90, 6)), labels=np.zeros(10, np.int64))
    apart = cdist(pool.features.double(), pool.joined.double())  # (80, 90)
    centres, expected = list(range(10)), []
    for _ in range(12):
        expected.append(int(apart[:, centres].min(1).argmax()))
        centres.append(10 + expected[-1])
    chosen = choose_from(pool, "kcentre", budget=12)
    assert chosen.rows == expected
    radii = [apart[row, :10].min() for row in expected[:1]]
    assert chosen.scores[0] == pytest.approx(radii[0], rel=1e-5)
    assert chosen.scores == sorted(chosen.scores, reverse=True)


def test_without_a_label_the_seed_decides_where_it_begins() -> None:
    pool = make_pool(np.random.default_rng(0).normal(size=(50, 6)))
    first = {choose_from(pool, "kcentre", budget=1, seed=seed).rows[0] for seed in range(5)}
    assert len(first) > 1


def test_every_image_comes_once() -> None:
    pool = make_pool(np.random.default_rng(0).normal(size=(20, 6)))
    rows = [row for row, _ in kcentre.rank(pool, make_select_settings(), CPU)]
    assert sorted(rows) == list(range(20))
