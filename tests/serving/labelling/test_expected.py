"""The accuracy that labels are expected to give: what the page shows must hold for the next run."""

import time

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from components.features.judging.labelled import LabelledFeatures
from components.stage.command import PARAMS_FILE, read_params
from serving.labelling.expected import (
    ExpectedAccuracy,
    Judge,
    choose_counts,
    collect_known,
    describe_judged,
    judge_known,
    make_judge,
    make_keys,
)
from serving.labelling.pool import Pool
from tests.conftest import ROOT

CLASSES = ("cat", "owl")


@pytest.fixture(scope="module")
def judge() -> Judge:
    params = read_params(ROOT / PARAMS_FILE).evaluate.logistic
    return make_judge(params, params.few_label_c)


def make_pool(*, tested: bool) -> tuple[Pool, np.ndarray]:
    """60 images of two classes without labels, and 40 for testing, with labels or without; and the true classes."""
    generator = np.random.default_rng(0)
    truth = np.arange(100) % 2
    features = (generator.normal(size=(100, 5)) + truth[:, None]).astype(np.float32)
    splits = np.array(["unlabelled"] * 60 + ["test" if tested else "unlabelled"] * 40)
    labels = np.where(splits == "test", truth, -1)
    ids = np.array([f"photos/{number}" for number in range(100)])
    return Pool("v1", ids, splits, labels, CLASSES, features), truth


def give(pool: Pool, truth: np.ndarray, count: int) -> dict[str, str]:
    return {str(pool.ids[row]): CLASSES[truth[row]] for row in range(count)}


def wait_for(accuracy: ExpectedAccuracy, pool: Pool, given: dict[str, str]) -> list[tuple[int, float, float, float]]:
    deadline = time.monotonic() + 60
    while (found := accuracy.look(pool, given))[1]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [(one.labels, one.accuracy, one.low, one.high) for one in found[0]]


def test_it_is_that_of_scikit_learns_logistic_regression_with_wilsons_interval(judge: Judge) -> None:
    pool, truth = make_pool(tested=True)
    accuracy = ExpectedAccuracy(judge, batch=10)
    found = wait_for(accuracy, pool, give(pool, truth, 25))
    assert [labels for labels, *_ in found] == [10, 20], "with no label at all there is nothing to judge"
    for count, share, low, high in found:
        scaler = StandardScaler().fit(pool.vectors[:count])
        model = LogisticRegression(C=1.0, tol=1e-8).fit(scaler.transform(pool.vectors[:count]), truth[:count])
        right = model.predict(scaler.transform(pool.vectors[60:])) == truth[60:]
        interval = stats.binomtest(int(right.sum()), 40).proportion_ci(method="wilson")
        assert (share, low, high) == pytest.approx((right.mean(), interval.low, interval.high))


def test_what_a_run_has_taken_in_since_does_not_change_what_came_before(judge: Judge) -> None:
    pool, truth = make_pool(tested=True)
    given = give(pool, truth, 20)
    taken_in = pool.labels.copy()
    taken_in[:20] = truth[:20]
    later = Pool("v1", pool.ids, pool.splits, taken_in, CLASSES, pool.vectors)
    for count in (0, 10, 20):
        assert collect_known(pool, given, count).taught.tolist() == list(range(count))
        assert collect_known(later, given, count).taught.tolist() == list(range(count))


def test_a_corrected_test_label_judges_and_never_teaches(judge: Judge) -> None:
    pool, truth = make_pool(tested=True)
    given = {"photos/99": "cat", "photos/0": "new class", "gone": "cat"}
    known = collect_known(pool, given, 3)
    assert (known.taught.tolist(), known.labels.tolist()) == ([0], [2])
    assert known.truth[-1] == 0
    assert truth[99] == 1


def test_without_labelled_test_images_folds_of_the_labels_judge_each_other(judge: Judge) -> None:
    """No image is judged by what was fitted to it."""
    pool, truth = make_pool(tested=False)
    asked: list[LabelledFeatures] = []

    def watch(part: LabelledFeatures) -> np.ndarray:
        asked.append(part)
        return judge(part)

    right = judge_known(pool, collect_known(pool, give(pool, truth, 20), 20), watch)
    assert (len(right), len(asked)) == (20, 5)
    for part in asked:
        assert (len(part.train), len(part.test)) == (16, 4)
        assert not {row.tobytes() for row in part.train} & {row.tobytes() for row in part.test}
        assert sorted(part.truth) == [0, 0, 1, 1]
    assert len(judge_known(pool, collect_known(pool, give(pool, truth, 9), 9), judge)) == 0
    assert "from 10 labels on" in describe_judged(pool, give(pool, truth, 9))


def test_nothing_waits_for_it_and_no_batch_is_computed_twice(judge: Judge) -> None:
    pool, truth = make_pool(tested=True)
    calls: list[int] = []

    def slow(part: LabelledFeatures) -> np.ndarray:
        calls.append(len(part.train))
        time.sleep(0.05)
        return judge(part)

    accuracy = ExpectedAccuracy(slow, batch=10)
    began = time.monotonic()
    assert accuracy.look(pool, give(pool, truth, 30)) == ([], True)
    assert time.monotonic() - began < 0.05
    assert len(wait_for(accuracy, pool, give(pool, truth, 30))) == 3
    assert len(wait_for(accuracy, pool, give(pool, truth, 39))) == 3
    assert calls == [10, 20, 30]
    other = give(pool, truth, 30) | {"photos/29": "cat"}
    wait_for(accuracy, pool, other)
    assert calls == [10, 20, 30, 30], "an image labelled anew changes the batches from there on"
    accuracy.close()


def test_a_failure_is_told_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    pool, truth = make_pool(tested=True)

    def fail(_: LabelledFeatures) -> np.ndarray:
        raise ValueError("broken")

    assert wait_for(ExpectedAccuracy(fail, batch=10), pool, give(pool, truth, 10)) == []
    assert "could not be computed" in caplog.text


def test_ten_thousand_labels_are_followed_as_quickly_as_some_hundred() -> None:
    """Or each look at the next images would take seconds, and the first after a start a thousand fits."""
    assert choose_counts(25, 10) == [0, 10, 20]
    assert choose_counts(9, 10) == [0]
    pool, _ = make_pool(tested=True)
    before: set[bytes] = set()
    for given in (500, 510, 1000, 10_000):
        counts = choose_counts(given, 10)
        assert (counts[0], counts[-1]) == (0, given)
        assert len(counts) <= 52
        labels = {f"photos/{number}": "cat" for number in range(given)}
        began = time.monotonic()
        keys = make_keys(pool, labels, counts)
        assert time.monotonic() - began < 0.5
        assert len(before.intersection(keys)) >= 4 * bool(before), "what was computed before serves again"
        before.update(keys)
