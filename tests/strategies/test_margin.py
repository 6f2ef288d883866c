"""Margin takes the images between whose two most probable classes a logistic regression hesitates."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from components.stage.errors import InputError
from components.strategies import margin
from tests.select.chosen import choose_from, make_blobs, make_pool


def test_the_differences_are_those_of_scikit_learns_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(margin, "ROWS", 7)
    features, blobs = make_blobs([40, 40, 40], spread=0.6)
    order = np.random.default_rng(1).permutation(len(blobs))
    pool = make_pool(features[order], labels=blobs[order][:30])
    train, rest = pool.labelled.numpy().astype(np.float64), pool.features.numpy().astype(np.float64)
    mean, deviation = train.mean(0), train.std(0)
    reference = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit((train - mean) / deviation, pool.labels)
    highest = np.sort(reference.predict_proba((rest - mean) / deviation), axis=1)
    expected = highest[:, -1] - highest[:, -2]
    chosen = choose_from(pool, "margin", budget=10, same=0.999999)
    assert chosen.rows == np.argsort(expected)[:10].tolist()
    assert chosen.scores == pytest.approx(np.sort(expected)[:10], abs=2e-3)


@pytest.mark.parametrize("labels", [[], [3, 3]])
def test_without_two_classes_a_line_says_which_strategies_need_no_label(labels: list[int]) -> None:
    pool = make_pool(make_blobs([20, 20])[0], labels=np.array(labels, np.int64))
    with pytest.raises(
        InputError, match=r"^params\.yaml: select\.strategies: margin .*typiclust, kcentre and random need"
    ):
        choose_from(pool, "margin")
