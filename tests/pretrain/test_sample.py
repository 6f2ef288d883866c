"""The sample of a run's readings stays the same, comes from all of the store, and has each image with its label."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from components.pretrain import sample as sampling
from components.pretrain.readings import Sample
from components.pretrain.sample import GROUPS, PER_ROUND, draw_groups, draw_rows, draw_sample
from components.store import store as module
from components.store.store import TEST, TRAIN, UNLABELLED, Group, Store
from tests.small import fill_store, make_grays, make_settings

SPLITS = (TRAIN, UNLABELLED)
WHOLE = {"sample": 200, "knn_queries": 10, "knn_bank": 200}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of 200 grays in row groups of 16: a fifth is for testing, a fifth unlabelled, the rest labelled."""
    monkeypatch.setattr(module, "GROUP_ROWS", 16)
    splits = [(TRAIN, TRAIN, TEST, UNLABELLED, TRAIN)[gray % 5] for gray in range(200)]
    labels = [None if split == UNLABELLED else gray % 3 for gray, split in enumerate(splits)]
    return fill_store(tmp_path, make_grays(200), labels=labels, splits=splits)


def draw_from(store: Store, *, seed: int = 0, **watch: int) -> Sample:
    changes = {f"watch__{key}": value for key, value in (WHOLE | watch).items()}
    return draw_sample(store, SPLITS, make_settings(seed=seed, **changes))


def read_grays(images: Tensor) -> list[int]:
    """Return which gray each image is."""
    return images[:, 0, 0, 0].tolist()


def list_grays(*remainders: int) -> set[int]:
    return {gray for gray in range(200) if gray % 5 in remainders}


def test_queries_are_held_out_of_the_bank_and_both_are_labelled_train_images(store: Store) -> None:
    """A query that finds itself in the bank would always be right, and test images must not be read."""
    sample = draw_from(store)
    queries, bank = read_grays(sample.queries), read_grays(sample.bank)
    assert len(queries) == 10
    assert len(set(queries) | set(bank)) == len(queries) + len(bank)
    assert set(queries) | set(bank) == list_grays(0, 1, 4), "the bank takes all that is left where it may"


def test_the_health_is_of_all_images_to_train_on_labelled_or_not(store: Store) -> None:
    assert sorted(read_grays(draw_from(store).images)) == sorted(list_grays(0, 1, 3, 4))


def test_every_image_stands_beside_its_own_label(store: Store) -> None:
    sample = draw_from(store)
    for images, labels in ((sample.queries, sample.query_labels), (sample.bank, sample.bank_labels)):
        assert labels.tolist() == [gray % 3 for gray in read_grays(images)]
        assert images.shape[1:] == (1, 8, 8)
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)


def test_sizes_are_those_of_params(store: Store) -> None:
    sample = draw_from(store, sample=30, knn_queries=7, knn_bank=40)
    assert [len(part) for part in (sample.images, sample.queries, sample.bank, sample.bank_labels)] == [30, 7, 40, 40]


def test_at_most_half_of_the_labelled_are_asked_about(store: Store) -> None:
    """Otherwise a store with few labels would have no neighbours to ask."""
    sample = draw_from(store, knn_queries=1000)
    assert (len(sample.queries), len(sample.bank)) == (60, 60)


def test_no_queries_take_no_bank(store: Store) -> None:
    sample = draw_from(store, knn_queries=0)
    assert len(sample.queries) == len(sample.bank) == 0


def test_the_seed_alone_decides_the_sample(store: Store) -> None:
    """A run that goes on after a kill takes its readings on the same images."""
    first, repeat, reseeded = (draw_from(store, seed=seed, sample=50) for seed in (3, 3, 4))
    assert torch.equal(first.images, repeat.images)
    assert torch.equal(first.queries, repeat.queries)
    assert torch.equal(first.bank, repeat.bank)
    assert not torch.equal(first.images, reseeded.images)
    assert not torch.equal(first.queries, reseeded.queries)


@pytest.mark.parametrize("labelled", [0, 1])
def test_a_store_with_nothing_to_compare_has_no_queries(labelled: int, tmp_path: Path) -> None:
    store = fill_store(
        tmp_path, make_grays(20), labels=[0] * labelled + [None] * (20 - labelled), splits=[UNLABELLED] * 20
    )
    sample = draw_from(store)
    assert len(sample.images) == 20
    assert sample.queries.shape == sample.bank.shape == (0, 1, 8, 8)
    assert len(sample.query_labels) == len(sample.bank_labels) == 0


class Counting(Store):
    """A store that notes each row group that is read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.groups_read: list[int] = []

    def read_groups(self, groups: list[Group]) -> Iterator[list[bytes]]:
        """Note the groups, and read them."""
        self.groups_read += [group.group for group in groups]
        return super().read_groups(groups)


def fill_large_store(folder: Path, labelled: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Fill a store with 200 row groups of one image each, 20 per class and sorted by class; 10 groups may be read."""
    monkeypatch.setattr(module, "GROUP_ROWS", 1)
    monkeypatch.setattr(sampling, "GROUPS", 10)
    fill_store(
        folder,
        make_grays(200),
        labels=[gray // 20 if labelled(gray) else None for gray in range(200)],
        names=[f"class {n}" for n in range(10)],
    )
    return Counting(folder)


def test_a_store_of_any_size_is_sampled_from_some_of_its_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a run on millions of images would first read nearly all of them. No class is missing in the sample."""
    store = fill_large_store(tmp_path, lambda gray: True, monkeypatch)
    sample = draw_from(store, knn_queries=3)
    assert len(store.groups_read) == len(set(store.groups_read)) == 10, "none is read twice"
    assert sorted(gray // 20 for gray in read_grays(sample.images)) == list(range(10))
    assert sorted([*sample.query_labels.tolist(), *sample.bank_labels.tolist()]) == list(range(10))
    assert 100 <= GROUPS <= 500


def test_the_few_labelled_images_of_a_large_store_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 images of 200 are labelled: 10 groups drawn from all of them would hold about one of these."""
    store = fill_large_store(tmp_path, lambda gray: gray // 20 == 4, monkeypatch)
    sample = draw_from(store, knn_queries=5)
    assert (len(sample.queries), len(sample.bank)) == (5, 5)
    assert {gray // 20 for gray in read_grays(torch.cat([sample.queries, sample.bank]))} == {4}
    assert {gray // 20 for gray in read_grays(sample.images)} == set(range(10))
    assert len(store.groups_read) <= 20


@pytest.mark.parametrize("count", [1, 9, 10, 11, 15, 19, 1000])
def test_as_many_groups_as_may_be_are_drawn_and_none_twice(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "GROUPS", 10)
    drawn = [draw_groups(count, np.random.default_rng(seed)) for seed in range(20)]
    assert {len(set(groups.tolist())) for groups in drawn} == {min(count, 10)}
    assert set(np.concatenate(drawn).tolist()) <= set(range(count))


def test_no_row_group_gives_more_than_a_few_before_every_other_has() -> None:
    """Each row group may hold one class: of groups of 150, 150 and 20 images 64 + 64 + 20 come first, and so on."""
    rows = draw_rows([150, 150, 20], np.full(320, True), 0)
    assert sorted(rows.tolist()) == list(range(320))
    begins = np.array([0, 150, 300])
    for count, expected in ((148, [64, 64, 20]), (276, [128, 128, 20]), (320, [150, 150, 20])):
        assert np.bincount(np.searchsorted(begins, rows[:count], side="right") - 1).tolist() == expected
    assert PER_ROUND == 64
    beginning = rows[:40]
    assert min(np.bincount(np.searchsorted(begins, beginning, side="right") - 1)) > 0, "no group waits for another"
