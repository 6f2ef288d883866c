"""The sample that readings are taken of: the same in all of a run, from all of the store, each image with its label."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from components.pretrain import sample as sampling
from components.pretrain.readings import Sample
from components.pretrain.sample import A_GROUP, GROUPS, draw_rows, draw_sample, spread
from components.store import store as module
from components.store.store import TEST, TRAIN, UNLABELLED, Group, Store
from tests.small import fill_store, grays, settings

SPLITS = (TRAIN, UNLABELLED)
WHOLE = {"sample": 200, "knn_queries": 10, "knn_bank": 200}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """200 grays in row groups of 16: a fifth tested, a fifth without a label, else labelled by gray."""
    monkeypatch.setattr(module, "GROUP_ROWS", 16)
    splits = [(TRAIN, TRAIN, TEST, UNLABELLED, TRAIN)[gray % 5] for gray in range(200)]
    labels = [None if split == UNLABELLED else gray % 3 for gray, split in enumerate(splits)]
    return fill_store(tmp_path, grays(200), labels=labels, splits=splits)


def draw(store: Store, *, seed: int = 0, **watch: int) -> Sample:
    changes = {f"watch__{key}": value for key, value in (WHOLE | watch).items()}
    return draw_sample(store, SPLITS, settings(seed=seed, **changes))


def numbers(images: Tensor) -> list[int]:
    """Which gray each image is."""
    return images[:, 0, 0, 0].tolist()


def of_splits(*splits: int) -> set[int]:
    return {gray for gray in range(200) if gray % 5 in splits}


def test_queries_are_held_out_of_the_bank_and_both_are_labelled_train_images(store: Store) -> None:
    """A query that finds itself in the bank would read as perfect; a test image may not be looked at."""
    sample = draw(store)
    queries, bank = numbers(sample.queries), numbers(sample.bank)
    assert len(queries) == 10
    assert len(set(queries) | set(bank)) == len(queries) + len(bank)
    assert set(queries) | set(bank) == of_splits(0, 1, 4), "the bank takes all that is left where it may"


def test_the_health_is_of_all_images_to_train_on_labelled_or_not(store: Store) -> None:
    assert sorted(numbers(draw(store).images)) == sorted(of_splits(0, 1, 3, 4))


def test_every_image_stands_beside_its_own_label(store: Store) -> None:
    sample = draw(store)
    for images, labels in ((sample.queries, sample.query_labels), (sample.bank, sample.bank_labels)):
        assert labels.tolist() == [gray % 3 for gray in numbers(images)]
        assert images.shape[1:] == (1, 8, 8)
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)


def test_sizes_are_those_of_params(store: Store) -> None:
    sample = draw(store, sample=30, knn_queries=7, knn_bank=40)
    assert [len(part) for part in (sample.images, sample.queries, sample.bank, sample.bank_labels)] == [30, 7, 40, 40]


def test_at_most_half_of_the_labelled_are_asked_about(store: Store) -> None:
    """Else a store of few labels would have no neighbours to ask."""
    sample = draw(store, knn_queries=1000)
    assert (len(sample.queries), len(sample.bank)) == (60, 60)


def test_no_queries_take_no_bank(store: Store) -> None:
    sample = draw(store, knn_queries=0)
    assert len(sample.queries) == len(sample.bank) == 0


def test_the_seed_alone_decides_the_sample(store: Store) -> None:
    """A run that goes on after a kill has to be read on the same images."""
    once, again, other = (draw(store, seed=seed, sample=50) for seed in (3, 3, 4))
    assert torch.equal(once.images, again.images)
    assert torch.equal(once.queries, again.queries)
    assert torch.equal(once.bank, again.bank)
    assert not torch.equal(once.images, other.images)
    assert not torch.equal(once.queries, other.queries)


@pytest.mark.parametrize("labelled", [0, 1])
def test_a_store_with_nothing_to_compare_has_no_queries(labelled: int, tmp_path: Path) -> None:
    store = fill_store(tmp_path, grays(20), labels=[0] * labelled + [None] * (20 - labelled), splits=[UNLABELLED] * 20)
    sample = draw(store)
    assert len(sample.images) == 20
    assert sample.queries.shape == sample.bank.shape == (0, 1, 8, 8)
    assert len(sample.query_labels) == len(sample.bank_labels) == 0


class Counting(Store):
    """Knows how often each row group was read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read: list[int] = []

    def read_groups(self, groups: list[Group]) -> Iterator[list[bytes]]:
        """And counted."""
        self.read += [group.group for group in groups]
        return super().read_groups(groups)


def large(folder: Path, labelled: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch) -> Counting:
    """200 row groups of one image each, of which 10 may be read: in classes of 20, a class after the other."""
    monkeypatch.setattr(module, "GROUP_ROWS", 1)
    monkeypatch.setattr(sampling, "GROUPS", 10)
    fill_store(folder, grays(200), labels=[gray // 20 if labelled(gray) else None for gray in range(200)])
    return Counting(folder)


def test_a_store_of_any_size_is_sampled_from_some_of_its_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run on millions of images would read nearly all of them before its first step. Every class is there."""
    store = large(tmp_path, lambda gray: True, monkeypatch)
    sample = draw(store, knn_queries=3)
    assert len(store.read) == len(set(store.read)) == 10, "none is read twice"
    assert sorted(gray // 20 for gray in numbers(sample.images)) == list(range(10))
    assert sorted([*sample.query_labels.tolist(), *sample.bank_labels.tolist()]) == list(range(10))
    assert 100 <= GROUPS <= 500


def test_the_few_labelled_images_of_a_large_store_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of 20 in 200: groups that were drawn from all would have held one of them."""
    store = large(tmp_path, lambda gray: gray // 20 == 4, monkeypatch)
    sample = draw(store, knn_queries=5)
    assert (len(sample.queries), len(sample.bank)) == (5, 5)
    assert {gray // 20 for gray in numbers(torch.cat([sample.queries, sample.bank]))} == {4}
    assert {gray // 20 for gray in numbers(sample.images)} == set(range(10))
    assert len(store.read) <= 20


@pytest.mark.parametrize("count", [1, 9, 10, 11, 15, 19, 1000])
def test_as_many_groups_as_may_be_are_drawn_and_none_twice(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "GROUPS", 10)
    drawn = [spread(count, np.random.default_rng(seed)) for seed in range(20)]
    assert {len(set(numbers.tolist())) for numbers in drawn} == {min(count, 10)}
    assert set(np.concatenate(drawn).tolist()) <= set(range(count))


def test_no_row_group_gives_more_than_a_few_before_every_other_has() -> None:
    """Row groups may be of a class each: 150, 150 and the last 20 images. 64 + 64 + 20 come first, and so on."""
    rows = draw_rows([150, 150, 20], np.full(320, True), 0)
    assert sorted(rows.tolist()) == list(range(320))
    begins = np.array([0, 150, 300])
    for count, expected in ((148, [64, 64, 20]), (276, [128, 128, 20]), (320, [150, 150, 20])):
        assert np.bincount(np.searchsorted(begins, rows[:count], side="right") - 1).tolist() == expected
    assert A_GROUP == 64
    beginning = rows[:40]
    assert min(np.bincount(np.searchsorted(begins, beginning, side="right") - 1)) > 0, "no group waits for another"
