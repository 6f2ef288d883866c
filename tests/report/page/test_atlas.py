"""The map shows the images it should, near what they are near, and stands whatever there is to map."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from components.features.embeddings import Embeddings
from components.report.page import atlas
from components.report.page.theme import MARKERS, PALETTE


def table(features: np.ndarray, splits: list[str], labels: list[int]) -> Embeddings:
    ids = np.array([f"{n}.png" for n in range(len(features))])
    return Embeddings(ids, np.array(splits), np.array(labels), features.astype(np.float32))


def draw(found: Embeddings, names: list[str], images: int = 100) -> atlas.Atlas:
    return atlas.draw_up(found, names, images=images, neighbours=3, seed=0)


def clusters(each: int = 20) -> Embeddings:
    """Three far apart; of each, the second half is for testing."""
    labels = np.repeat([0, 1, 2], each)
    features = np.eye(8)[labels] + np.random.default_rng(0).normal(0, 0.05, (len(labels), 8))
    return table(features, (["train"] * (each // 2) + ["test"] * (each // 2)) * 3, labels.tolist())


def test_what_is_alike_is_near_on_the_map() -> None:
    drawn = draw(clusters(), ["a", "b", "c"])
    _, near = NearestNeighbors(n_neighbors=6).fit(drawn.places).kneighbors(drawn.places)
    kinds = np.array(drawn.kinds)
    assert (kinds[near] == kinds[:, None]).all()


def test_neighbours_are_those_of_the_embedding_by_cosine() -> None:
    found = clusters()
    drawn = draw(found, ["a", "b", "c"])
    reference = NearestNeighbors(n_neighbors=4, metric="cosine").fit(found.features[drawn.rows].astype(np.float64))
    distances, near = reference.kneighbors()
    assert drawn.nearest.tolist() == near[:, :3].tolist()
    np.testing.assert_allclose(drawn.cosines, 1 - distances[:, :3], atol=1e-5)


def test_it_shows_test_images_or_any_where_there_are_none_and_no_more_than_asked() -> None:
    found = clusters()
    assert set(found.splits[draw(found, ["a", "b", "c"]).rows]) == {"test"}
    alone = table(found.features, ["train"] * 60, [-1] * 60)
    rows = draw(alone, [], images=25).rows
    assert len(rows) == 25 == len(set(rows.tolist()))


def test_the_same_seed_gives_the_same_map() -> None:
    assert (draw(clusters(), ["a", "b", "c"]).places == draw(clusters(), ["a", "b", "c"]).places).all()


@pytest.mark.parametrize("images", [1, 2, 4, 5, 7])
def test_a_handful_of_images_has_a_map(images: int) -> None:
    features = np.random.default_rng(0).normal(0, 1, (images, 8))
    drawn = draw(table(features, ["test"] * images, [0] * images), ["a"])
    assert np.isfinite(drawn.places).all()
    assert len(np.unique(drawn.places, axis=0)) == images
    assert drawn.nearest.shape == (images, min(3, images - 1))
    atlas.chart(drawn, ["x"] * images, [""] * images, ["a"], tiny=True)


def test_collapsed_features_have_a_map() -> None:
    assert np.isfinite(draw(table(np.ones((9, 8)), ["test"] * 9, [0] * 9), ["a"]).places).all()
    assert np.isfinite(draw(table(np.zeros((9, 8)), ["test"] * 9, [0] * 9), ["a"]).places).all()


def test_colours_go_by_class_and_by_split_where_nothing_has_a_class() -> None:
    features = np.random.default_rng(0).normal(0, 1, (6, 8))
    mixed = draw(table(features, ["test"] * 6, [0, 1, -1, 0, 1, -1]), ["a", "b"])
    assert mixed.kinds == ["a", "b", "no label", "a", "b", "no label"]
    bare = draw(table(features, ["train", "unlabelled"] * 3, [-1] * 6), [])
    assert bare.kinds == ["train", "unlabelled"] * 3
    one = draw(table(features, ["unlabelled"] * 6, [-1] * 6), [])
    assert one.kinds == [""] * 6
    assert atlas.legend(one, []) == []


def test_no_two_of_fifty_classes_look_the_same_and_more_begin_again() -> None:
    count = len(PALETTE) * len(MARKERS)
    names = [f"class {n}" for n in range(count + 1)]
    features = np.random.default_rng(0).normal(0, 1, (count + 1, 3))
    found = atlas.styles(draw(table(features, ["test"] * len(names), list(range(count + 1))), names, 1000), names)
    assert len(set(list(found.values())[:count])) == count
    assert found[names[-1]] == found[names[0]]
