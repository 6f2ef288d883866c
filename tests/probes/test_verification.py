"""Verification: thresholds against a search over all, LFW's file, and what theory says of noise."""

import numpy as np
import pytest
from scipy import stats

from components.params.evaluate import Verification
from components.probes.outcome import NothingToMeasureError, Outcome
from components.probes.statistics import Estimate
from components.probes.verification import (
    Pairs,
    best_threshold,
    cosines,
    draw_pairs,
    over_folds,
    verify,
)

PARAMS = Verification(pairs=None, folds=5, pairs_per_fold=100, false_accept_rate=0.01)


def estimate(outcome: Outcome, name: str) -> Estimate:
    found = outcome.metrics[name]
    assert isinstance(found, Estimate)
    return found


def people(count: int, each: int, spread: float, *, features: int = 32) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(count), each)
    centres = generator.normal(size=(count, features))
    return (centres[labels] + spread * generator.normal(size=(len(labels), features))).astype(np.float32), labels


def judge(features: np.ndarray, labels: np.ndarray, params: Verification = PARAMS) -> Outcome:
    ids = np.array([str(n) for n in range(len(labels))])
    return verify(features, ids, draw_pairs(np.arange(len(labels)), labels, params, seed=0), params)


def test_noise_is_a_coin_and_people_that_are_apart_are_told() -> None:
    features, labels = people(20, 20, 0.05)
    told = judge(features, labels)
    assert estimate(told, "accuracy").value == told.metrics["roc_auc"] == 1
    assert estimate(told, "true_accept_rate_at_0.01").value == 1
    coin = judge(np.random.default_rng(1).normal(size=features.shape), labels)
    assert estimate(coin, "accuracy").low < 0.5 < estimate(coin, "accuracy").high
    assert coin.metrics["roc_auc"] == pytest.approx(0.5, abs=0.06)


def test_the_area_is_the_chance_that_a_same_class_pair_has_the_larger_cosine() -> None:
    features, labels = people(10, 10, 1.5)
    pairs = draw_pairs(np.arange(100), labels, PARAMS, seed=0)
    cosine = cosines(features[pairs.first], features[pairs.second])
    expected = np.mean(cosine[pairs.same][:, None] > cosine[~pairs.same])
    assert judge(features, labels).metrics["roc_auc"] == pytest.approx(expected, abs=1e-9)


def test_a_cosine_is_that_of_the_angle_and_a_feature_of_zeros_is_like_none() -> None:
    first = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    second = np.array([[0.0, 5.0], [2.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(cosines(first, second), [0, np.sqrt(0.5), 0], atol=1e-12)


def test_the_threshold_is_the_best_of_all() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        cosine = np.round(generator.normal(size=30), 1)  # with ties
        same = generator.random(30) < 0.5 + 0.3 * cosine
        candidates = [-np.inf, np.inf, *np.unique(cosine)]
        best = max(np.mean((cosine >= threshold) == same) for threshold in candidates)
        assert np.mean((cosine >= best_threshold(cosine, same)) == same) == pytest.approx(best)


def test_the_threshold_is_not_chosen_on_the_fold_that_it_is_judged_by() -> None:
    """Two folds whose cosines lie elsewhere: each one's threshold is wrong for half of the other's pairs."""
    pairs = Pairs(np.arange(8), np.arange(8, 16), np.tile([True, False], 4), np.repeat([0, 1], 4))
    cosine = np.array([0.9, 0.8, 0.9, 0.8, 0.2, 0.1, 0.2, 0.1])
    features = np.concatenate([np.tile([1.0, 0.0], (8, 1)), np.stack([cosine, np.sqrt(1 - cosine**2)], 1)])
    found = verify(features, np.array([str(n) for n in range(16)]), pairs, PARAMS)
    assert estimate(found, "accuracy").value == 0.5
    assert found.predicted is not None
    assert found.predicted.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert found.ids[0] == "0 8"


def test_mean_and_interval_over_folds() -> None:
    folds = np.array([0.8, 0.9, 0.7, 0.8])
    error = float(folds.std(ddof=1) / 2)
    found = over_folds(folds, error)
    assert found.value == pytest.approx(0.8)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 3) * error)
    assert over_folds(np.ones(4), 0.0) == Estimate(1.0, 1.0, 1.0)


def test_drawn_pairs_are_what_their_labels_say_half_of_them_the_same_and_none_twice() -> None:
    labels = np.random.default_rng(0).integers(0, 7, 300)
    rows = 1000 + np.arange(300)
    pairs = draw_pairs(rows, labels, PARAMS, seed=1)
    assert len(pairs.same) == 500
    assert ((labels[pairs.first - 1000] == labels[pairs.second - 1000]) == pairs.same).all()
    assert (pairs.first != pairs.second).all()
    assert len({frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}) == 500
    for fold in range(5):
        assert pairs.same[pairs.fold == fold].sum() == (pairs.fold == fold).sum() / 2 == 50
    again, other = (draw_pairs(rows, labels, PARAMS, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(pairs.first, again.first)
    assert not np.array_equal(pairs.first, other.first)


def test_few_images_make_fewer_pairs_and_too_few_make_none() -> None:
    pairs = draw_pairs(np.arange(8), np.arange(8) // 2, PARAMS.model_copy(update={"folds": 2}), seed=0)
    assert pairs.same.sum() == 4, "four people with two images each"
    for labels in (np.zeros(8, int), np.arange(8), np.empty(0, int)):
        with pytest.raises(NothingToMeasureError, match="needs labelled test images"):
            draw_pairs(np.arange(len(labels)), labels, PARAMS, seed=0)
