"""The folder that is rehearsed with: what befalls it is what its name says, and no more."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.digit_files import DigitFiles


def classes(folder: Path) -> dict[str, str]:
    """By the file's name."""
    return {path.name: path.parent.name for path in folder.rglob("*.png")}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.png")}


@pytest.fixture
def digits(tmp_path: Path) -> DigitFiles:
    """Thirty of them."""
    made = DigitFiles(tmp_path / "images", seed=0)
    made.hold(30)
    return made


def test_the_same_images_are_the_same_files(digits: DigitFiles) -> None:
    before = contents(digits.folder)
    image = cv2.imread(str(digits.folder / str(digits.classes[7]) / "0007.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(image, digits.pixels[7])
    digits.hold(40)
    digits.hold(30)
    assert contents(digits.folder) == before


def test_shuffled_are_the_classes_of_the_chosen_images_and_nothing_else(digits: DigitFiles) -> None:
    before, bytes_before = classes(digits.folder), contents(digits.folder)
    digits.shuffle(10, 30)
    after = classes(digits.folder)
    assert contents(digits.folder) == bytes_before
    assert {name: after[name] for name in sorted(after)[:10]} == {name: before[name] for name in sorted(before)[:10]}
    assert sorted(after.values()) == sorted(before.values())
    assert after != before


def test_blanked_are_the_chosen_images_and_no_class_is_touched(digits: DigitFiles) -> None:
    before, bytes_before = classes(digits.folder), contents(digits.folder)
    digits.blank(10, 30)
    after = contents(digits.folder)
    assert classes(digits.folder) == before
    assert {name: after[name] for name in sorted(after)[:10]} == {n: bytes_before[n] for n in sorted(before)[:10]}
    assert len({after[name] for name in sorted(after)[10:]}) == 1
