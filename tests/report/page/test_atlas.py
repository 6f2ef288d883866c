"""The map shows the right images, near those that they are alike to, and exists whatever there is to map."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from components.features.embeddings import Embeddings
from components.report.page import atlas
from components.report.page.theme import INK, MARKERS, PALETTE


def make_table(features: np.ndarray, splits: list[str], labels: list[int]) -> Embeddings:
    ids = np.array([f"{n}.png" for n in range(len(features))])
    return Embeddings(ids, np.array(splits), np.array(labels), features.astype(np.float32), torch.float32)


def make_map(table: Embeddings, names: list[str], images: int = 100) -> atlas.Atlas:
    return atlas.make_atlas(table, names, images=images, neighbours=3, seed=0)


def make_clusters(each: int = 20) -> Embeddings:
    """Make three clusters that are far apart; the second half of each is for testing."""
    labels = np.repeat([0, 1, 2], each)
    features = np.eye(8)[labels] + np.random.default_rng(0).normal(0, 0.05, (len(labels), 8))
    return make_table(features, (["train"] * (each // 2) + ["test"] * (each // 2)) * 3, labels.tolist())


def test_what_is_alike_is_near_on_the_map() -> None:
    drawn = make_map(make_clusters(), ["a", "b", "c"])
    _, near = NearestNeighbors(n_neighbors=6).fit(drawn.places).kneighbors(drawn.places)
    kinds = np.array(drawn.kinds)
    assert (kinds[near] == kinds[:, None]).all()


def test_neighbours_are_those_of_the_embedding_by_cosine() -> None:
    table = make_clusters()
    drawn = make_map(table, ["a", "b", "c"])
    reference = NearestNeighbors(n_neighbors=4, metric="cosine").fit(table.features[drawn.rows].astype(np.float64))
    distances, near = reference.kneighbors()
    assert drawn.nearest.tolist() == near[:, :3].tolist()
    np.testing.assert_allclose(drawn.cosines, 1 - distances[:, :3], atol=1e-5)


def test_it_shows_test_images_or_any_where_there_are_none_and_no_more_than_asked() -> None:
    table = make_clusters()
    assert set(table.splits[make_map(table, ["a", "b", "c"]).rows]) == {"test"}
    alone = make_table(table.features, ["train"] * 60, [-1] * 60)
    rows = make_map(alone, [], images=25).rows
    assert len(rows) == 25 == len(set(rows.tolist()))


def test_the_same_seed_gives_the_same_map() -> None:
    assert (
        make_map(make_clusters(), ["a", "b", "c"]).places == make_map(make_clusters(), ["a", "b", "c"]).places
    ).all()


@pytest.mark.parametrize("images", [1, 2, 4, 5, 7])
def test_a_handful_of_images_has_a_map(images: int) -> None:
    features = np.random.default_rng(0).normal(0, 1, (images, 8))
    drawn = make_map(make_table(features, ["test"] * images, [0] * images), ["a"])
    assert np.isfinite(drawn.places).all()
    assert len(np.unique(drawn.places, axis=0)) == images
    assert drawn.nearest.shape == (images, min(3, images - 1))
    atlas.draw_map(drawn, ["x"] * images, [""] * images, ["a"], tiny=True)


def test_collapsed_features_have_a_map() -> None:
    assert np.isfinite(make_map(make_table(np.ones((9, 8)), ["test"] * 9, [0] * 9), ["a"]).places).all()
    assert np.isfinite(make_map(make_table(np.zeros((9, 8)), ["test"] * 9, [0] * 9), ["a"]).places).all()


def test_colours_go_by_class_and_by_split_where_nothing_has_a_class() -> None:
    features = np.random.default_rng(0).normal(0, 1, (6, 8))
    mixed = make_map(make_table(features, ["test"] * 6, [0, 1, -1, 0, 1, -1]), ["a", "b"])
    assert mixed.kinds == ["a", "b", "no label", "a", "b", "no label"]
    bare = make_map(make_table(features, ["train", "unlabelled"] * 3, [-1] * 6), [])
    assert bare.kinds == ["train", "unlabelled"] * 3
    uniform = make_map(make_table(features, ["unlabelled"] * 6, [-1] * 6), [])
    assert uniform.kinds == [""] * 6
    assert atlas.list_legend(uniform, []) == []


def make_crowd(classes: int, frequent: int) -> tuple[atlas.Atlas, list[str]]:
    """Make a map with two images of class `frequent` and one of each other class."""
    names = [f"class {n}" for n in range(classes)]
    labels = [*range(classes), frequent]
    features = np.random.default_rng(0).normal(0, 1, (len(labels), 3))
    return make_map(make_table(features, ["test"] * len(labels), labels), names, 1000), names


def test_no_two_of_fifty_classes_look_the_same() -> None:
    drawn, names = make_crowd(len(PALETTE) * len(MARKERS), 0)
    assert len(set(atlas.assign_styles(drawn, names).values())) == len(names)
    assert [entry["kind"] for entry in atlas.list_legend(drawn, names)] == names
    assert atlas.list_others(drawn, names) == []


def test_of_hundreds_of_classes_the_most_frequent_have_a_look_and_the_rest_share_one() -> None:
    drawn, names = make_crowd(300, 250)
    legend = atlas.list_legend(drawn, names)
    named = [entry["kind"] for entry in legend[:-1]]
    assert len(legend) == atlas.NAMED + 1
    assert "class 250" in named
    assert legend[-1] == {"kind": f"{300 - atlas.NAMED} other classes", "colour": INK, "sign": "×"}
    styles = atlas.assign_styles(drawn, names)
    assert len({styles[kind] for kind in named}) == atlas.NAMED
    assert {styles[kind] for kind in names if kind not in named} == {(INK, "x")}
    assert len(atlas.list_others(drawn, names)) == 300 - atlas.NAMED
    groups = atlas.draw_map(drawn, drawn.kinds, drawn.kinds, names, tiny=False).renderers[0].data_source.data["group"]
    assert set(groups) == {entry["kind"] for entry in legend}, "every button singles something out"
