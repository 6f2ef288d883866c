"""Tells what the given labels are worth: the accuracy on labels held out, after each batch of them.

A logistic regression is fitted to the features of the images labelled so far and judged on the labelled test images,
with Wilson's interval. Where no test image has a label, five folds of the labels judge each other. The work is done in
a thread of its own: no request waits for it. N images, K classes, M labelled ones, n held-out ones, D features.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from components.features.judging.labelled import LabelledFeatures
from components.features.judging.params import Sweep
from components.features.judging.regression import Regression, predict
from components.features.judging.statistics import estimate_accuracy
from serving.labelling.pool import TEST, Pool

FOLDS = 5
HELD_OUT = 10_000  # test images that judge; more would hardly narrow the interval
MOST = 50  # accuracies before the last one, so that 10,000 labels cost as little as 500

Judge = Callable[[LabelledFeatures], np.ndarray]  # -> right or wrong, (n,) bool


@dataclass(frozen=True)
class Expected:
    """The accuracy after so many given labels, with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Known:
    """What is known after some given labels: rows of the pool, and their classes as numbers."""

    taught: np.ndarray  # (M,)
    labels: np.ndarray  # (M,)
    held: np.ndarray  # (n,) labelled test images
    truth: np.ndarray  # (n,)


def make_judge(params: Sweep, c: float) -> Judge:
    """Make the judge that fits a logistic regression with this C."""

    def judge(part: LabelledFeatures) -> np.ndarray:
        regression = Regression(part, params, torch.device("cpu"))
        weights = regression.fit(regression.train, regression.labels, torch.tensor([c], dtype=torch.float64))
        predicted = regression.names[predict(weights, regression.test)[0].numpy()]
        right: np.ndarray = predicted == part.truth
        return right

    return judge


def collect_known(pool: Pool, given: dict[str, str], count: int) -> Known:
    """Collect what is known after the first `count` given labels. Test images never teach.

    An image whose label was given counts as unlabelled before: the next run takes given labels in, and what had been
    known without them must not change by that.
    """
    codes = {name: code for code, name in enumerate(dict.fromkeys([*pool.classes, *given.values()]))}
    rows = [(pool.rows[name], codes[label]) for name, label in given.items() if name in pool.rows]
    is_test, labels = pool.splits == TEST, pool.labels.copy()
    for number, (row, label) in enumerate(rows):
        labels[row] = label if is_test[row] or number < count else -1
    held, taught = (np.flatnonzero(part & (labels >= 0)) for part in (is_test, ~is_test))
    return Known(taught, labels[taught], held[:HELD_OUT], labels[held[:HELD_OUT]])


def judge_known(pool: Pool, known: Known, judge: Judge) -> np.ndarray:
    """Judge the held-out labels, or else folds of the labels themselves: (n,) bool, empty if there are too few."""
    none = np.empty(0, bool)
    features, names = pool.vectors[known.taught], pool.ids
    if len(known.held):
        part = LabelledFeatures(features, known.labels, pool.vectors[known.held], known.truth, names[known.held])
        return judge(part) if len(known.taught) else none
    if len(known.taught) < 2 * FOLDS:
        return none
    fold = np.empty(len(known.taught), np.int64)  # each class is dealt to the folds in turn
    fold[np.argsort(known.labels, kind="stable")] = np.arange(len(fold)) % FOLDS
    right = np.empty(len(fold), bool)
    for out in (fold == number for number in range(FOLDS)):
        right[out] = judge(
            LabelledFeatures(
                features[~out], known.labels[~out], features[out], known.labels[out], names[known.taught[out]]
            )
        )
    return right


def describe_judged(pool: Pool, given: dict[str, str]) -> str:
    """Say on what the accuracy is measured."""
    held = len(collect_known(pool, given, len(given)).held)
    if held:
        return f"Logistic regression on the labels so far, judged on {held:,} labelled test images; 95 % interval."
    if len(given) < 2 * FOLDS:
        return f"No test image has a label: from {2 * FOLDS} labels on, the labels judge each other."
    return f"No test image has a label, so that {FOLDS} folds of the labels judge each other; 95 % interval."


class ExpectedAccuracy:
    """Computes the accuracy after each batch of labels (of many, after some of them and the last), none twice."""

    def __init__(self, judge: Judge, batch: int) -> None:
        """`batch` is the number of labels after which it is computed anew."""
        self.judge, self.batch = judge, batch
        self._lock, self._worker = threading.Lock(), ThreadPoolExecutor(1, "expected")
        self._computed: dict[bytes, Expected | None] = {}  # None while it is computed, or if it cannot be
        self._waiting: set[bytes] = set()

    def look(self, pool: Pool, given: dict[str, str]) -> tuple[list[Expected], bool]:
        """Return what is computed so far, and whether more is on its way."""
        counts = choose_counts(len(given), self.batch)
        keys = make_keys(pool, given, counts)
        with self._lock:
            for count, key in zip(counts, keys, strict=True):
                if key not in self._computed:
                    self._computed[key] = None
                    self._waiting.add(key)
                    self._worker.submit(self._compute, key, pool, dict(given), count)
            found = [one for key in keys if (one := self._computed[key])]
            return found, not self._waiting.isdisjoint(keys)

    def _compute(self, key: bytes, pool: Pool, given: dict[str, str], count: int) -> None:
        try:
            right = judge_known(pool, collect_known(pool, given, count), self.judge)
            if len(right):
                estimate = estimate_accuracy(right)
                expected = Expected(count, estimate.value, estimate.low, estimate.high)
                with self._lock:
                    self._computed[key] = expected
        except Exception:  # nobody waits for this thread, who could tell
            logging.getLogger(__name__).exception("the expected accuracy could not be computed")
        finally:
            with self._lock:
                self._waiting.discard(key)

    def close(self) -> None:
        """Begin nothing more."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def choose_counts(given: int, batch: int) -> list[int]:
    """Choose after how many labels the accuracy is told: each batch, of many each second, fourth ..., and the last."""
    last, step = given - given % batch, batch
    while last > MOST * step:
        step *= 2  # so that those that were computed before still serve
    return sorted({*range(0, last, step), last})


def make_keys(pool: Pool, given: dict[str, str], counts: list[int]) -> list[bytes]:
    """Tell by which images, first labels and labels of test images each accuracy is computed; `counts` rise."""
    rows = list(given.items())
    tested = [row for row in rows if row[0] in pool.rows and pool.splits[pool.rows[row[0]]] == TEST]
    so_far, done = hashlib.sha256(repr((pool.version, tested)).encode()), 0
    keys: list[bytes] = []
    for count in counts:
        for row in rows[done:count]:
            so_far.update(repr(row).encode())
        keys.append(so_far.digest())
        done = count
    return keys
