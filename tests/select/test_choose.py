"""Whatever the strategy: no picture twice, none that has a label already, and the same choice from the same seed."""

import numpy as np
import pytest

from tests.select.chosen import choose_from, choose_rows, make_blobs, make_pool

STRATEGIES = ("random", "kcentre", "typiclust", "margin")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_near_copies_are_chosen_once_and_never_beside_their_labelled_original(strategy: str) -> None:
    rng = np.random.default_rng(0)
    originals = rng.normal(size=(40, 8))
    copies = np.repeat(originals, 5, axis=0) + rng.normal(0, 1e-3, (200, 8))
    of = np.repeat(np.arange(40), 5)
    labels = np.arange(4) % 2
    pool = make_pool(np.concatenate([originals[:4], copies]), labels=labels)
    chosen = choose_from(pool, strategy, budget=100, typiclust__min_images=1)
    assert sorted(of[chosen.rows].tolist()) == list(range(4, 40)), "the other 36, each once"
    assert chosen.passed_over > 0 or strategy == "kcentre"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_seed_gives_the_same_choice_and_as_many_as_asked_for(strategy: str) -> None:
    features, blobs = make_blobs([50, 40, 30], spread=0.3)
    pools = [make_pool(features.copy(), labels=blobs[:2] + np.arange(2)) for _ in range(2)]
    once, again = (choose_from(pool, strategy, budget=15) for pool in pools)
    assert once == again
    assert len(set(once.rows)) == 15


def test_another_seed_draws_other_images() -> None:
    pool = make_pool(np.random.default_rng(0).normal(size=(50, 4)))
    assert choose_rows(pool, "random", budget=10, seed=1) != choose_rows(pool, "random", budget=10, seed=2)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pool_of_few_or_no_images_gives_what_it_has(strategy: str) -> None:
    labels = np.array([0, 1])
    assert choose_rows(make_pool(np.eye(5)[:2], labels), strategy) == []
    assert choose_rows(make_pool(np.eye(5)[:3], labels), strategy) == [0]
    assert sorted(choose_rows(make_pool(np.eye(5)[:5], labels), strategy)) == [0, 1, 2]
