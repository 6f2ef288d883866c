"""Retrieval against scikit-learn's average precision, ranks worked out by hand, and what theory says of noise."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from components.evaluate.outcome import NothingToMeasureError, Outcome
from components.evaluate.params import Retrieval
from components.evaluate.probe import Labelled
from components.evaluate.statistics import Estimate
from components.probes.retrieval import retrieve
from tests.probes.parts import CPU, part

PARAMS = Retrieval(recall_at=(1, 5))


def ask(asked: Labelled, params: Retrieval = PARAMS) -> Outcome:
    return retrieve(asked, params, 0, CPU, lambda units: None)


def estimate(outcome: Outcome, name: str) -> Estimate:
    found = outcome.metrics[name]
    assert isinstance(found, Estimate)
    return found


def noise(train: int, test: int, classes: int, *, features: int = 16) -> Labelled:
    generator = np.random.default_rng(0)
    drawn = [generator.normal(size=(count, features)).astype(np.float32) for count in (train, test)]
    return part(drawn[0], np.arange(train) % classes, drawn[1], np.arange(test) % classes)


def test_average_precision_is_scikit_learns() -> None:
    asked = noise(90, 40, 3)
    gallery, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (asked.train, asked.test))
    expected = [
        average_precision_score(asked.labels == truth, gallery @ query)
        for query, truth in zip(queries, asked.truth, strict=True)
    ]
    np.testing.assert_allclose(ask(asked).scores["map"], expected, atol=1e-6)


def test_ranks_worked_out_by_hand() -> None:
    """Right at ranks 1 and 3 of four: (1 / 1 + 2 / 3) / 2; the other query's at ranks 2 and 4: (1 / 2 + 2 / 4) / 2."""
    angles = np.deg2rad([0, 10, 20, 30])
    gallery = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    query = np.array([[3.0, 0.0], [5.0, 0.0]], dtype=np.float32)
    found = ask(part(gallery, np.array([0, 1, 0, 1]), query, np.array([0, 1])), Retrieval(recall_at=(1, 2)))
    np.testing.assert_allclose(found.scores["map"], [5 / 6, 1 / 2])
    assert found.scores["recall_at_1"].tolist() == [True, False]
    assert found.scores["recall_at_2"].tolist() == [True, True]
    assert found.predicted is not None
    assert found.predicted.tolist() == [0, 0]
    np.testing.assert_allclose(found.curves["precision"].y, [1 / 2, 1 / 2, 1 / 2, 1 / 2])


def test_noise_finds_each_class_as_often_as_it_is_there() -> None:
    """Of ten equal classes a random order has precision 1/10 at every rank; one of five is right with 1 - 0.9^5."""
    found = ask(noise(2000, 1000, 10))
    assert estimate(found, "map").low <= 0.1 + 0.004 <= estimate(found, "map").high + 0.004  # the first ranks are lucky
    assert estimate(found, "recall_at_1").low < 0.1 < estimate(found, "recall_at_1").high
    assert estimate(found, "recall_at_5").low < 1 - 0.9**5 < estimate(found, "recall_at_5").high


def test_classes_that_are_apart_are_found_whole_and_a_rotation_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 4
    points = 10 * np.eye(8)[labels] + generator.normal(size=(120, 8))
    turned = points @ np.linalg.qr(generator.normal(size=(8, 8)))[0]
    asked = [
        part(x[:80].astype(np.float32), labels[:80], x[80:].astype(np.float32), labels[80:]) for x in (points, turned)
    ]
    first, second = (ask(one) for one in asked)
    assert estimate(first, "map").value == estimate(first, "recall_at_1").value == 1
    assert estimate(first, "map").low == pytest.approx(40 / (40 + 1.96**2), abs=1e-3)
    for name in first.scores:
        np.testing.assert_allclose(first.scores[name], second.scores[name], atol=1e-6)


def test_the_gallery_is_the_train_part_and_a_query_never_finds_itself() -> None:
    asked = noise(50, 50, 5)
    same = Labelled(asked.train, (asked.truth + 1) % 5, asked.train, asked.truth, asked.ids)
    assert estimate(ask(same), "recall_at_1").value == 0


def test_queries_of_a_class_that_the_gallery_lacks_are_left_out() -> None:
    asked = noise(60, 30, 3)
    without = asked.labels != 2
    found = ask(Labelled(asked.train[without], asked.labels[without], asked.test, asked.truth, asked.ids))
    assert len(found.ids) == len(found.scores["map"]) == 20
    assert set(found.ids.tolist()) == set(asked.ids[asked.truth != 2].tolist())
    with pytest.raises(NothingToMeasureError, match="class that train has"):
        ask(Labelled(asked.train, asked.labels + 3, asked.test, asked.truth, asked.ids))


def test_queries_in_portions_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = noise(90, 41, 3)
    whole = ask(asked)
    monkeypatch.setattr("components.probes.retrieval.PORTION", 7 * 90)
    portions = ask(asked)
    for name in whole.scores:
        np.testing.assert_array_equal(whole.scores[name], portions.scores[name])


@pytest.mark.parametrize("features", [np.ones((200, 4)), np.zeros((200, 4))])
def test_an_encoder_that_takes_all_for_alike_is_no_better_than_noise(features: np.ndarray) -> None:
    """Also where the classes lie together in the store, as they do after a folder a class."""
    labels = np.repeat(np.arange(10), 20)
    found = ask(part(features.astype(np.float32), labels, features.astype(np.float32), labels))
    assert estimate(found, "map").value == pytest.approx(0.1, abs=0.035)
