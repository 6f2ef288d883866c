"""Wrong labels are found, right ones left alone, and what cannot be judged is said and not accused."""

from dataclasses import replace

import numpy as np
import pytest

from components.labels.crossed import NothingToJudgeError, judge_labels, select_judged
from components.store.store import TRAIN, UNLABELLED
from tests.labels.made import CPU, make_table, read_section

TRUTH = np.tile(np.arange(4), 60)  # 180 train images, 60 test images
WRONG = [3, 50, 101, 200]  # the last is a test image


def flip(labels: np.ndarray, rows: list[int]) -> np.ndarray:
    wrong = labels.copy()
    wrong[rows] = (wrong[rows] + 1) % 4
    return wrong


def test_wrong_labels_of_both_splits_are_found_with_the_right_ones() -> None:
    found = judge_labels(make_table(flip(TRUTH, WRONG), truth=TRUTH, test=60), read_section(), CPU)
    assert sorted(found.rows.tolist()) == WRONG
    assert found.suggested.tolist() == TRUTH[found.rows].tolist()
    assert (found.probability > 0.5).all()
    assert (np.diff(found.confidence) >= 0).all(), "the worst comes first"
    assert (found.judged, found.not_judged) == (240, 0)
    assert 0.95 < found.accuracy.value < 1, "wrong labels cannot be predicted"


def test_test_labels_teach_nothing() -> None:
    """Train labels that are put right would otherwise know the test split, and every accuracy would be too good."""
    some, others = (
        judge_labels(make_table(flip(TRUTH, WRONG[:3] + rows), truth=TRUTH, test=60), read_section(), CPU)
        for rows in ([], [200, 201, 202])
    )
    assert some.rows.tolist() == [row for row in others.rows.tolist() if row < 180]


def test_images_without_a_label_are_left_alone() -> None:
    table = make_table(flip(TRUTH, WRONG), truth=TRUTH, test=60)
    splits, labels = table.splits.copy(), table.labels.copy()
    splits[:20], labels[:20] = UNLABELLED, -1
    labels[230:] = -1  # of the test split
    found = judge_labels(replace(table, splits=splits, labels=labels), read_section(), CPU)
    assert sorted(found.rows.tolist()) == WRONG[1:]
    assert (found.judged, found.not_judged) == (210, 0)


def test_classes_smaller_than_the_folds_are_counted_and_not_accused() -> None:
    labels = TRUTH.copy()
    labels[[0, 4, 8, 12]] = 4  # images of class 0 by their looks
    found = judge_labels(make_table(labels, truth=TRUTH), read_section(), CPU)
    assert (found.rows.tolist(), found.not_judged) == ([], 4)
    assert judge_labels(make_table(labels, truth=TRUTH), read_section(folds=4), CPU).not_judged == 0


def test_every_fold_has_every_class_and_the_test_split_is_its_own() -> None:
    judged = select_judged(make_table(TRUTH, test=60), 5, np.random.default_rng(0))
    counts = np.zeros((6, 4), int)
    np.add.at(counts, (judged.folds, judged.labels), 1)
    assert counts[:5].tolist() == [[9] * 4] * 5
    assert counts[5].tolist() == [15] * 4


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.full(40, -1), "no image has a label"),
        (np.full(40, 0), "1 class of 5 or more labelled train images"),
        (np.arange(40) // 4, "no classes of 5 or more labelled train images"),
    ],
)
def test_it_says_why_there_is_nothing_to_judge(labels: np.ndarray, said: str) -> None:
    table = make_table(labels, truth=np.maximum(labels, 0))
    with pytest.raises(NothingToJudgeError, match=said):
        judge_labels(table, read_section(), CPU)


@pytest.mark.parametrize("collapsed", [True, False])
def test_features_that_tell_nothing_accuse_nobody(collapsed: bool) -> None:
    """A collapsed encoder sees the same in every image; it would call all labels but the commonest wrong."""
    table = make_table(TRUTH)
    noise = np.random.default_rng(1).normal(0, 1, table.features.shape).astype(np.float32)
    with pytest.raises(NothingToJudgeError, match="no better than always saying the commonest class, 25"):
        judge_labels(replace(table, features=np.ones_like(noise) if collapsed else noise), read_section(), CPU)


def test_few_of_many_images_teach_and_all_are_judged() -> None:
    """A million images neither take days nor fill the memory; of thousands of classes none is forgotten."""
    truth = np.tile(np.arange(300), 10)
    wrong = truth.copy()
    wrong[:30] = (truth[:30] + 7) % 300
    found = judge_labels(make_table(wrong, truth=truth, spread=0.5), read_section(images=900, folds=2), CPU)
    assert found.judged == 3000
    hits = np.isin(np.arange(30), found.rows).mean()
    assert hits > 0.8
    assert (found.rows < 30).mean() > 0.8


def test_the_train_split_alone_teaches() -> None:
    table = make_table(TRUTH, test=60)
    table = replace(table, splits=np.where(table.splits == TRAIN, UNLABELLED, table.splits))
    with pytest.raises(NothingToJudgeError, match="no classes of 5 or more labelled train images"):
        judge_labels(table, read_section(), CPU)
