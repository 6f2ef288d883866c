"""CIFAR-10 is read from two packed files, bit for bit, or from where torchvision keeps it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import cifar10
from components.stage.errors import InputError
from tests.benchmarks.packing import draw_images, pack


def test_packed_images_come_back_bit_for_bit_and_in_their_order(tmp_path: Path) -> None:
    """One image of six is of the test split, as in CIFAR-10; the files do not end where the splits do."""
    images, labels = draw_images(3000)
    pack(tmp_path, images, labels, first=1500)
    train, train_labels = cifar10.read_cifar10(tmp_path, test=False)
    test, test_labels = cifar10.read_cifar10(tmp_path, test=True)
    assert (len(train), len(test)) == (2500, 500)
    np.testing.assert_array_equal(np.concatenate([train, test]).transpose(0, 2, 3, 1), images)
    np.testing.assert_array_equal(np.concatenate([train_labels, test_labels]), labels)


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        cifar10.read_cifar10(tmp_path, test=False)
