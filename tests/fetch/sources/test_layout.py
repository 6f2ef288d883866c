"""Labels and splits are read from paths; a mistake here would silently be trained on."""

import pytest

from components.fetch.sources.layout import SPLIT_NAMES, count_common_folders, parse_path
from components.store.store import TEST, TRAIN, UNLABELLED

NO_CLASS = (None, None, "stands in no class's folder")
NO_SPLIT = (None, None, "stands in no split's folder: train, test (or val), unlabelled")


@pytest.mark.parametrize(
    ("path", "layout", "expected"),
    [
        ("a.png", "flat", (None, None, None)),
        ("train/cat/a.png", "flat", (None, None, None)),  # nobody asked for classes
        ("cat/a.png", "classes", ("cat", None, None)),
        ("cat/white/a.png", "classes", ("cat", None, None)),
        ("Cat/a.png", "classes", ("Cat", None, None)),
        ("train/a.png", "classes", ("train", None, None)),
        ("a.png", "classes", NO_CLASS),
        ("/a.png", "classes", NO_CLASS),  # a key of a bucket
        ("//cat//a.png", "classes", ("cat", None, None)),
        ("train/cat/a.png", "splits", ("cat", TRAIN, None)),
        ("Train/cat/white/a.png", "splits", ("cat", TRAIN, None)),
        ("VAL/cat/a.png", "splits", ("cat", TEST, None)),
        ("test/a.png", "splits", (None, TEST, None)),
        ("unlabeled/a.png", "splits", (None, UNLABELLED, None)),
        ("unlabelled/cat/a.png", "splits", (None, UNLABELLED, None)),  # a folder of it is no class
        ("a.png", "splits", NO_SPLIT),
        ("cat/a.png", "splits", NO_SPLIT),
        ("cat/train/a.png", "splits", NO_SPLIT),
        ("trains/cat/a.png", "splits", NO_SPLIT),
    ],
)
def test_label_and_split_are_those_of_the_folders(path: str, layout: str, expected: tuple[str | None, ...]) -> None:
    assert parse_path(path, layout) == expected  # type: ignore[arg-type]


def test_images_to_validate_on_are_never_trained_on() -> None:
    assert {name for name, split in SPLIT_NAMES.items() if split == TRAIN} == {"train", "training"}


@pytest.mark.parametrize(
    ("paths", "layout", "skipped"),
    [
        ([], "classes", 0),
        (["photos/a.png", "photos/b.png"], "flat", 0),
        (["cat/a.png", "dog/b.png"], "classes", 0),
        (["photos/cat/a.png", "photos/dog/b.png"], "classes", 1),
        (["my/photos/cat/a.png", "my/photos/dog/b.png"], "classes", 2),
        (["cat/a.png", "cat/b.png"], "classes", 0),  # the only class is one
        (["photos/cat/a.png", "photos/cat/b.png"], "classes", 1),
        (["cat/a.png", "cat/white/b.png"], "classes", 0),
        (["cat/a.png", "dog/big/b.png", "dog/big/c.png"], "classes", 0),
        (["photos/README", "photos/cat/a.png", "photos/dog/b.png"], "classes", 1),
        (["README", "photos/cat/a.png", "photos/dog/b.png"], "classes", 1),
        (["about/README", "photos/cat/a.png", "photos/dog/b.png"], "classes", 0),  # which of both are classes?
        (["train/cat/a.png", "test/cat/b.png"], "splits", 0),
        (["train/cat/a.png", "train/dog/b.png"], "splits", 0),  # a split that stands alone is one
        (["bees/train/cat/a.png", "bees/val/cat/b.png"], "splits", 1),
        (["bees/Train/a.png", "bees/Train/b.png"], "splits", 1),
        (["bees/README", "bees/train/cat/a.png", "bees/val/cat/b.png"], "splits", 1),
        (["a.png", "b.png"], "splits", 0),
    ],
)
def test_folders_around_everything_are_no_classes_and_no_splits(paths: list[str], layout: str, skipped: int) -> None:
    assert count_common_folders(paths, layout) == skipped  # type: ignore[arg-type]
    assert count_common_folders(paths[::-1], layout) == skipped  # type: ignore[arg-type]
