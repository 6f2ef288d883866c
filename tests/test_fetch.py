"""fetch: every digit once, a stratified split that stays, and ids that stay."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from components import fetch
from components.data.decode import decode_square
from components.data.sources import Record
from components.data.store import SPLITS, TEST, TRAIN, UNLABELLED, Store
from components.params.base import InputError
from components.params.data import Data, Digits


def run(folder: Path, seed: int = 0) -> Store:
    params = Data(sources=(Digits(kind="digits"),), test_fraction=0.25, seed=seed)
    fetch.run(params, store=folder / "store", metrics=folder / "metrics" / "data.json")
    return Store(folder / "store")


def test_the_store_holds_scikit_learns_digits_pixel_for_pixel(tmp_path: Path) -> None:
    store = run(tmp_path)
    table = store.table(["id", "label"])
    digits = load_digits()
    assert len(set(table["id"].to_pylist())) == 1797
    assert [int(store.class_names[label]) for label in table["label"].to_pylist()] == digits.target.tolist()
    images = store.images(lambda encoded: decode_square(encoded, side=8, channels=1), SPLITS)
    np.testing.assert_array_equal(np.rint(images[:, 0].astype(float) * 16 / 255), digits.images)


def test_a_quarter_of_each_class_is_for_testing(tmp_path: Path) -> None:
    table = run(tmp_path).table(["label", "split"])
    tested, everything = Counter[int](), Counter[int]()
    for label, split in zip(table["label"].to_pylist(), table["split"].to_pylist(), strict=True):
        everything[label] += 1
        tested[label] += split == TEST
    assert sum(tested.values()) == 450
    assert all(abs(tested[label] - everything[label] / 4) < 1 for label in everything)
    assert json.loads((tmp_path / "metrics" / "data.json").read_text())["test"] == 450


def test_the_split_stays_with_the_seed(tmp_path: Path) -> None:
    splits = [run(tmp_path / str(n), seed).table(["split"])["split"].to_pylist() for n, seed in enumerate((0, 0, 1))]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]


def test_a_source_with_splits_keeps_them_and_the_unlabelled_stay_so() -> None:
    made = [Record(f"{n}", b"", "", "cat" if n % 2 else "dog", None) for n in range(8)]
    made += [Record("t", b"", "", "cat", TEST), Record("u", b"", "", None, None)]
    splits = fetch.split_records(made, test_fraction=0.25, seed=0)
    assert splits[8:] == [TEST, UNLABELLED]
    assert Counter(splits[:8]) == {TRAIN: 6, TEST: 2}


def test_a_source_listed_twice_is_refused_and_does_not_leak_test_images(tmp_path: Path) -> None:
    params = Data(sources=(Digits(kind="digits"),) * 2, test_fraction=0.25, seed=0)
    with pytest.raises(InputError, match=r"'digits/0000\.png' comes twice"):
        fetch.run(params, store=tmp_path / "store", metrics=tmp_path / "data.json")
    assert not list(tmp_path.iterdir())


def test_too_few_images_of_a_class_to_split_are_said_in_one_line() -> None:
    made = [Record("a", b"", "", "cat", None), Record("b", b"", "", "dog", None)]
    with pytest.raises(InputError, match=r"data\.test_fraction: 0\.25 cannot be kept"):
        fetch.split_records(made, test_fraction=0.25, seed=0)
