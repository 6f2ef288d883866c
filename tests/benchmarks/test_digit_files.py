"""The folder of benchmarks.rehearsal: each method changes what its name says and nothing else."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.digit_files import DigitFiles


def read_classes(folder: Path) -> dict[str, str]:
    """Return the class of every image by the name of its file."""
    return {path.name: path.parent.name for path in folder.rglob("*.png")}


def read_contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.png")}


@pytest.fixture
def digits(tmp_path: Path) -> DigitFiles:
    """Make a folder of thirty digits."""
    files = DigitFiles(tmp_path / "images", seed=0)
    files.hold(30)
    return files


def test_the_same_images_are_the_same_files(digits: DigitFiles) -> None:
    before = read_contents(digits.folder)
    image = cv2.imread(str(digits.folder / str(digits.classes[7]) / "0007.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(image, digits.pixels[7])
    digits.hold(40)
    digits.hold(30)
    assert read_contents(digits.folder) == before


def test_shuffled_are_the_classes_of_the_chosen_images_and_nothing_else(digits: DigitFiles) -> None:
    before, bytes_before = read_classes(digits.folder), read_contents(digits.folder)
    digits.shuffle(10, 30)
    after = read_classes(digits.folder)
    assert read_contents(digits.folder) == bytes_before
    assert {name: after[name] for name in sorted(after)[:10]} == {name: before[name] for name in sorted(before)[:10]}
    assert sorted(after.values()) == sorted(before.values())
    assert after != before


def test_blanked_are_the_chosen_images_and_no_class_is_touched(digits: DigitFiles) -> None:
    before, bytes_before = read_classes(digits.folder), read_contents(digits.folder)
    digits.blank(10, 30)
    after = read_contents(digits.folder)
    assert read_classes(digits.folder) == before
    assert {name: after[name] for name in sorted(after)[:10]} == {n: bytes_before[n] for n in sorted(before)[:10]}
    assert len({after[name] for name in sorted(after)[10:]}) == 1
