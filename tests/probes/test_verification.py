"""Verification: thresholds are checked against a search over all, intervals against theory, and noise is a coin."""

import numpy as np
import pytest
import torch
from scipy import stats

from components.evaluate.outcome import NothingToMeasureError, Outcome
from components.evaluate.params import Verification
from components.features.embeddings import Embeddings
from components.features.judging.statistics import Estimate
from components.probes.verification import (
    Pairs,
    choose_threshold,
    compute_cosines,
    draw_pairs,
    estimate_over_folds,
    verify,
)

PARAMS = Verification(pairs=None, folds=5, pairs_per_fold=100, false_accept_rate=0.01)


def read_estimate(outcome: Outcome, name: str) -> Estimate:
    metric = outcome.metrics[name]
    assert isinstance(metric, Estimate)
    return metric


def draw_people(count: int, each: int, spread: float, *, features: int = 32) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(count), each)
    centres = generator.normal(size=(count, features))
    return (centres[labels] + spread * generator.normal(size=(len(labels), features))).astype(np.float32), labels


def verify_features(features: np.ndarray, pairs: Pairs, params: Verification = PARAMS, split: str = "test") -> Outcome:
    """Judge features of images of one split."""
    ids, splits = np.array([str(n) for n in range(len(features))]), np.full(len(features), split)
    return verify(Embeddings(ids, splits, np.full(len(ids), -1), features, torch.float32), pairs, params)


def verify_people(features: np.ndarray, labels: np.ndarray, params: Verification = PARAMS) -> Outcome:
    return verify_features(features, draw_pairs(np.arange(len(labels)), labels, params, seed=0), params)


def test_noise_is_a_coin_and_people_that_are_apart_are_told() -> None:
    features, labels = draw_people(20, 20, 0.05)
    told = verify_people(features, labels)
    assert read_estimate(told, "accuracy").value == told.metrics["roc_auc"] == 1
    assert told.metrics["true_accept_rate_at_0.01"] == 1
    coin = verify_people(np.random.default_rng(1).normal(size=features.shape), labels)
    assert read_estimate(coin, "accuracy").low < 0.5 < read_estimate(coin, "accuracy").high
    assert coin.metrics["roc_auc"] == pytest.approx(0.5, abs=0.06)


def test_the_area_is_the_chance_that_a_same_class_pair_has_the_larger_cosine() -> None:
    features, labels = draw_people(10, 10, 1.5)
    pairs = draw_pairs(np.arange(100), labels, PARAMS, seed=0)
    cosine = compute_cosines(features[pairs.first], features[pairs.second])
    expected = np.mean(cosine[pairs.same][:, None] > cosine[~pairs.same])
    assert verify_people(features, labels).metrics["roc_auc"] == pytest.approx(expected, abs=1e-9)


def test_a_cosine_is_that_of_the_angle_and_a_feature_of_zeros_is_like_none() -> None:
    first = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    second = np.array([[0.0, 5.0], [2.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(compute_cosines(first, second), [0, np.sqrt(0.5), 0], atol=1e-12)


def test_the_threshold_is_the_best_of_all() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        cosine = np.round(generator.normal(size=30), 1)  # with ties
        same = generator.random(30) < 0.5 + 0.3 * cosine
        candidates = [-np.inf, np.inf, *np.unique(cosine)]
        best = max(np.mean((cosine >= threshold) == same) for threshold in candidates)
        assert np.mean((cosine >= choose_threshold(cosine, same)) == same) == pytest.approx(best)


def test_the_threshold_is_not_chosen_on_the_fold_that_it_is_judged_by() -> None:
    """The folds' cosines lie in different ranges: the threshold of each is wrong for half of the other's pairs."""
    pairs = Pairs(np.arange(8), np.arange(8, 16), np.tile([True, False], 4), np.repeat([0, 1], 4))
    cosine = np.array([0.9, 0.8, 0.9, 0.8, 0.2, 0.1, 0.2, 0.1])
    features = np.concatenate([np.tile([1.0, 0.0], (8, 1)), np.stack([cosine, np.sqrt(1 - cosine**2)], 1)])
    outcome = verify_features(features, pairs)
    assert read_estimate(outcome, "accuracy").value == 0.5
    assert outcome.predicted is not None
    assert outcome.predicted.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert outcome.ids[0] == "0 8"


def test_mean_and_interval_over_folds() -> None:
    folds = np.array([0.8, 0.9, 0.7, 0.8])
    accuracy = estimate_over_folds(folds, 40)
    assert accuracy.value == pytest.approx(0.8)
    assert accuracy.high - accuracy.value == pytest.approx(stats.t.ppf(0.975, 3) * folds.std(ddof=1) / 2)


def test_folds_that_agree_are_not_certainty() -> None:
    """Ten images that are all right, or half of them: Wilson's interval, such as 10 / (10 + 1.96^2)."""
    right, coin = estimate_over_folds(np.ones(4), 10), estimate_over_folds(np.full(4, 0.5), 10)
    assert (right.low, right.high) == pytest.approx((0.7224672, 1.0), abs=1e-6)
    assert (coin.low, coin.high) == pytest.approx((0.2365931, 0.7634069), abs=1e-6)


def test_drawn_pairs_are_what_their_labels_say_half_of_them_the_same_and_none_twice() -> None:
    labels = np.random.default_rng(0).integers(0, 7, 300)
    rows = 1000 + np.arange(300)
    pairs = draw_pairs(rows, labels, PARAMS, seed=1)
    assert len(pairs.same) == 500
    for fold in range(5):
        inside, outside = (
            np.concatenate([pairs.first[chosen], pairs.second[chosen]])
            for chosen in (pairs.fold == fold, pairs.fold != fold)
        )
        assert not set(inside.tolist()) & set(outside.tolist()), "an image belongs to one fold"
    assert ((labels[pairs.first - 1000] == labels[pairs.second - 1000]) == pairs.same).all()
    assert (pairs.first != pairs.second).all()
    assert len({frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}) == 500
    for fold in range(5):
        assert pairs.same[pairs.fold == fold].sum() == (pairs.fold == fold).sum() / 2 == 50
    again, changed = (draw_pairs(rows, labels, PARAMS, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(pairs.first, again.first)
    assert not np.array_equal(pairs.first, changed.first)


def test_few_images_make_fewer_pairs_and_too_few_make_none() -> None:
    pairs = draw_pairs(np.arange(16), np.arange(16) % 2, PARAMS.model_copy(update={"folds": 2}), seed=0)
    assert pairs.same.sum() == (~pairs.same).sum() > 4
    assert pairs.same.sum() <= 2 * 4 * 3, "of four images of each of two people, six pairs are of one"
    for labels in (np.zeros(8, int), np.arange(8), np.empty(0, int)):
        with pytest.raises(NothingToMeasureError, match="needs labelled test images"):
            draw_pairs(np.arange(len(labels)), labels, PARAMS, seed=0)


def test_rates_at_a_threshold_worked_out_by_hand() -> None:
    """Same: 0.9, 0.7, 0.5, 0.3; different: 0.8, 0.4, 0.2, 0.1. Accepting one false pair of four leaves what lies above
    0.4: 3 of 4; two of four, what lies above 0.2: all."""
    cosine = np.array([0.9, 0.7, 0.5, 0.3, 0.8, 0.4, 0.2, 0.1])
    features = np.concatenate([np.tile([1.0, 0.0], (8, 1)), np.stack([cosine, np.sqrt(1 - cosine**2)], 1)])
    pairs = Pairs(np.arange(8), np.arange(8, 16), np.repeat([True, False], 4), np.tile([0, 1], 4))
    for rate, expected in ((0.25, 3 / 4), (0.3, 3 / 4), (0.5, 1.0)):
        params = PARAMS.model_copy(update={"false_accept_rate": rate})
        assert verify_features(features, pairs, params).metrics[f"true_accept_rate_at_{rate:g}"] == expected
    curve = verify_features(features, pairs).curves["roc"]
    assert min(curve.x) == pytest.approx(0.25, rel=0.13), "the first point that is not below one of four"
    for x, y in zip(curve.x, curve.y, strict=True):
        assert y == (3 / 4 if x < 0.5 else 1.0)


@pytest.mark.parametrize(("each", "measured"), [(99, False), (100, True)])
def test_a_rate_that_the_pairs_cannot_show_is_left_out(each: int, measured: bool) -> None:
    """A false-accept rate of 0.01 is one of a hundred pairs of two classes; one of fewer is a larger share."""
    features, count = np.random.default_rng(0).normal(size=(4 * each, 3)), np.arange(2 * each)
    outcome = verify_features(features, Pairs(count, count + 2 * each, count < each, count % 2))
    assert ("true_accept_rate_at_0.01" in outcome.metrics) == measured
    expected = {} if measured else {"true_accept_rate_at_0.01": "one of only 99 pairs of two classes is a larger share"}
    assert outcome.left_out == expected
    assert min(outcome.curves["roc"].x) >= 1 / each
    assert outcome.metrics["pairs"] == 2 * each


def test_the_interval_of_drawn_pairs_covers_what_other_images_would_give() -> None:
    """Images are drawn anew 200 times; the truth is the mean over all, with as many pairs and the same protocol."""
    params = PARAMS.model_copy(update={"folds": 10, "pairs_per_fold": 60})
    estimates = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 10, 300)
        features = np.eye(10)[labels] + 0.45 * generator.normal(size=(300, 10))
        pairs = draw_pairs(np.arange(300), labels, params, seed=seed)
        estimates.append(read_estimate(verify_features(features, pairs, params), "accuracy"))
    truth = np.mean([estimate.value for estimate in estimates])
    assert 0.7 < truth < 0.95
    assert np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]) > 0.91
