"""Retrieval is checked against scikit-learn's average precision, ranks worked out by hand, and theory for noise."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from components.evaluate.outcome import NothingToMeasureError, Outcome
from components.evaluate.params import Retrieval
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import Estimate
from components.probes.retrieval import retrieve
from tests.probes.parts import CPU, make_part

PARAMS = Retrieval(recall_at=(1, 5))


def retrieve_part(part: LabelledFeatures, params: Retrieval = PARAMS) -> Outcome:
    return retrieve(part, params, 0, CPU, lambda units: None)


def read_estimate(outcome: Outcome, name: str) -> Estimate:
    estimate = outcome.metrics[name]
    assert isinstance(estimate, Estimate)
    return estimate


def draw_noise(train: int, test: int, classes: int, *, features: int = 16) -> LabelledFeatures:
    generator = np.random.default_rng(0)
    drawn = [generator.normal(size=(count, features)).astype(np.float32) for count in (train, test)]
    return make_part(drawn[0], np.arange(train) % classes, drawn[1], np.arange(test) % classes)


def test_average_precision_is_scikit_learns() -> None:
    part = draw_noise(90, 40, 3)
    gallery, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (part.train, part.test))
    expected = [
        average_precision_score(part.labels == truth, gallery @ query)
        for query, truth in zip(queries, part.truth, strict=True)
    ]
    np.testing.assert_allclose(retrieve_part(part).scores["map"], expected, atol=1e-6)


def test_ranks_worked_out_by_hand() -> None:
    """Query 1 is right at ranks 1 and 3 of 4: (1 / 1 + 2 / 3) / 2; query 2 at ranks 2 and 4: (1 / 2 + 2 / 4) / 2."""
    angles = np.deg2rad([0, 10, 20, 30])
    gallery = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    query = np.array([[3.0, 0.0], [5.0, 0.0]], dtype=np.float32)
    outcome = retrieve_part(
        make_part(gallery, np.array([0, 1, 0, 1]), query, np.array([0, 1])), Retrieval(recall_at=(1, 2))
    )
    np.testing.assert_allclose(outcome.scores["map"], [5 / 6, 1 / 2])
    assert outcome.scores["recall_at_1"].tolist() == [True, False]
    assert outcome.scores["recall_at_2"].tolist() == [True, True]
    assert outcome.predicted is not None
    assert outcome.predicted.tolist() == [0, 0]
    np.testing.assert_allclose(outcome.curves["precision"].y, [1 / 2, 1 / 2, 1 / 2, 1 / 2])


def test_noise_finds_each_class_as_often_as_it_is_there() -> None:
    """Of ten equal classes a random order has precision 1/10 at every rank; one of five is right with 1 - 0.9^5."""
    outcome = retrieve_part(draw_noise(2000, 1000, 10))
    assert (
        read_estimate(outcome, "map").low <= 0.1 + 0.004 <= read_estimate(outcome, "map").high + 0.004
    )  # the first ranks are lucky
    assert read_estimate(outcome, "recall_at_1").low < 0.1 < read_estimate(outcome, "recall_at_1").high
    assert read_estimate(outcome, "recall_at_5").low < 1 - 0.9**5 < read_estimate(outcome, "recall_at_5").high


def test_classes_that_are_apart_are_found_whole_and_a_rotation_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 4
    points = 10 * np.eye(8)[labels] + generator.normal(size=(120, 8))
    turned = points @ np.linalg.qr(generator.normal(size=(8, 8)))[0]
    parts = [
        make_part(x[:80].astype(np.float32), labels[:80], x[80:].astype(np.float32), labels[80:])
        for x in (points, turned)
    ]
    first, second = (retrieve_part(part) for part in parts)
    assert read_estimate(first, "map").value == read_estimate(first, "recall_at_1").value == 1
    assert read_estimate(first, "map").low == pytest.approx(40 / (40 + 1.96**2), abs=1e-3)
    for name in first.scores:
        np.testing.assert_allclose(first.scores[name], second.scores[name], atol=1e-6)


def test_the_gallery_is_the_train_part_and_a_query_never_finds_itself() -> None:
    part = draw_noise(50, 50, 5)
    same = LabelledFeatures(part.train, (part.truth + 1) % 5, part.train, part.truth, part.ids)
    assert read_estimate(retrieve_part(same), "recall_at_1").value == 0


def test_queries_of_a_class_that_the_gallery_lacks_are_left_out() -> None:
    part = draw_noise(60, 30, 3)
    without = part.labels != 2
    outcome = retrieve_part(
        LabelledFeatures(part.train[without], part.labels[without], part.test, part.truth, part.ids)
    )
    assert len(outcome.ids) == len(outcome.scores["map"]) == 20
    assert set(outcome.ids.tolist()) == set(part.ids[part.truth != 2].tolist())
    with pytest.raises(NothingToMeasureError, match="class that train has"):
        retrieve_part(LabelledFeatures(part.train, part.labels + 3, part.test, part.truth, part.ids))


def test_a_recall_among_more_images_than_the_gallery_has_is_left_out() -> None:
    outcome = retrieve_part(draw_noise(8, 30, 3), Retrieval(recall_at=(1, 8, 10)))
    assert list(outcome.metrics) == list(outcome.scores) == ["map", "recall_at_1", "recall_at_8"]
    assert outcome.left_out == {"recall_at_10": "there are only 8 labelled train images"}


def test_queries_in_portions_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    part = draw_noise(90, 41, 3)
    whole = retrieve_part(part)
    monkeypatch.setattr("components.probes.retrieval.PORTION", 7 * 90)
    portions = retrieve_part(part)
    for name in whole.scores:
        np.testing.assert_array_equal(whole.scores[name], portions.scores[name])


@pytest.mark.parametrize("features", [np.ones((200, 4)), np.zeros((200, 4))])
def test_an_encoder_that_takes_all_for_alike_is_no_better_than_noise(features: np.ndarray) -> None:
    """This also holds where classes lie together in the store, as they do when each class has a folder."""
    labels = np.repeat(np.arange(10), 20)
    outcome = retrieve_part(make_part(features.astype(np.float32), labels, features.astype(np.float32), labels))
    assert read_estimate(outcome, "map").value == pytest.approx(0.1, abs=0.035)
