"""TypiClust takes a typical image of each cluster: the largest without a label first."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from components.select import cosines
from components.select.cosines import measure_typicality
from tests.select.chosen import CPU, choose_from, choose_rows, make_blobs, make_pool


@pytest.mark.parametrize("entries", [2**24, 100])  # in one block, and in many
def test_typicality_is_the_papers_formula(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equation 4 of the paper, by scikit-learn's search in float64."""
    monkeypatch.setattr(cosines, "ENTRIES", entries)
    features = np.random.default_rng(0).normal(size=(60, 5))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distances = NearestNeighbors(n_neighbors=8).fit(features).kneighbors(features)[0][:, 1:]  # without the image itself
    measured = measure_typicality(torch.from_numpy(features).float(), 7, CPU)
    assert measured.numpy() == pytest.approx(1 / distances.mean(1), rel=1e-3)


def test_each_kind_of_image_is_chosen_once_and_the_commonest_first() -> None:
    features, blobs = make_blobs([30, 60, 45, 20])
    rows = choose_rows(make_pool(features), "typiclust", budget=4)
    assert blobs[rows].tolist() == [1, 2, 0, 3]


def test_the_chosen_image_is_the_one_in_the_middle_of_its_kind() -> None:
    features, blobs = make_blobs([40, 40, 40])
    pool = make_pool(features)
    for row in choose_rows(pool, "typiclust", budget=3):
        others = pool.features[blobs == blobs[row]]
        from_centre = (others - others.mean(0)).norm(dim=1)
        assert (pool.features[row] - others.mean(0)).norm() < from_centre.median()


def test_kinds_that_have_a_label_wait() -> None:
    features, blobs = make_blobs([61, 50, 40])
    labelled = make_pool(features, labels=np.array([0]))  # of the largest blob, which comes first
    rows = choose_rows(labelled, "typiclust", budget=2)
    assert blobs[1:][rows].tolist() == [1, 2]


def test_when_clusters_are_fewer_than_images_each_gives_its_next_one_by_turns() -> None:
    features, blobs = make_blobs([50, 40, 30])
    rows = choose_rows(make_pool(features), "typiclust", budget=6, typiclust__max_clusters=3, same=0.99999)
    assert blobs[rows].tolist() == [0, 1, 2] * 2


def test_a_stray_image_is_no_kind_of_its_own() -> None:
    features, blobs = make_blobs([40, 40, 2])
    rows = choose_rows(make_pool(features), "typiclust", budget=3, same=0.99999)
    assert 2 not in blobs[rows]
    tiny, _ = make_blobs([3, 2, 1], spread=0.5)
    assert len(choose_rows(make_pool(tiny), "typiclust", budget=100)) == 6, "where nothing else is left, they come too"


def test_large_pools_and_clusters_are_clustered_and_judged_in_parts() -> None:
    features, blobs = make_blobs([300, 200, 100])
    changes = {"typiclust__exact_images": 50, "typiclust__cluster_images": 30}
    once, again = (choose_from(make_pool(features.copy()), "typiclust", budget=3, **changes) for _ in range(2))
    assert sorted(blobs[once.rows].tolist()) == [0, 1, 2]
    assert once == again
