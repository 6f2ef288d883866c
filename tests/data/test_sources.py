"""Published data sets in torchvision's layout: every image once, with its published label and split."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image
from torchvision.datasets import Imagenette

from components.data.sources import Record, read_sources
from components.data.store import TEST, TRAIN
from components.params.base import InputError
from components.params.data import Data, Named

WNIDS = ["n01440764", "n02102040", "n02979186", "n03000684", "n03028079", "n03394916", "n03417042", "n03425413"]
WNIDS += ["n03445777", "n03888257"]


def records(kind: Any, root: Path, *, download: bool = False) -> list[Record]:
    source = Named(kind=kind, root=str(root), download=download)
    return list(read_sources(Data(sources=(source,), test_fraction=0.25, seed=0)))


def pixels(record: Record) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(record.image)))


def test_cifar10_comes_pixel_for_pixel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torchvision verifies its files by their hashes, so that its reader stands in here for the data."""
    images = {part: np.random.default_rng(part).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8) for part in (0, 1)}

    def reader(root: str, *, train: bool, download: bool) -> SimpleNamespace:
        assert (root, download) == (str(tmp_path), False)
        return SimpleNamespace(data=images[int(train)], targets=[2, 0, 2], classes=["cat", "dog", "frog"])

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", reader)
    found = records("cifar10", tmp_path)
    assert [(record.split, record.label) for record in found[:3]] == [(TRAIN, "frog"), (TRAIN, "cat"), (TRAIN, "frog")]
    assert [record.split for record in found[3:]] == [TEST] * 3
    for record, expected in zip(found, [*images[1], *images[0]], strict=True):
        np.testing.assert_array_equal(pixels(record), expected)
    assert len({record.id for record in found}) == 6
    assert [record.id for record in records("cifar10", tmp_path)] == [record.id for record in found]


@pytest.fixture
def imagenette(tmp_path: Path) -> Path:
    """Two photographs a class to train on and one to test on, in the layout that the archive unpacks to."""
    for part, count in (("train", 2), ("val", 1)):
        for number, wnid in enumerate(WNIDS):
            folder = tmp_path / "imagenette2-160" / part / wnid
            folder.mkdir(parents=True)
            for image in range(count):
                Image.new("RGB", (20, 16), (number, image, 0)).save(folder / f"{wnid}_{part}_{image}.JPEG")
    return tmp_path


def test_imagenette_keeps_its_files_and_its_splits(imagenette: Path) -> None:
    found = records("imagenette", imagenette)
    assert [record.split for record in found] == [TRAIN] * 20 + [TEST] * 10
    for record in found:
        split, name = record.path.split("/", 2)[1:]
        file = imagenette / "imagenette2-160" / {"train": "train", "test": "val"}[split] / name
        assert record.image == file.read_bytes()
        expected = {wnid: names[0] for wnid, names in zip(WNIDS, labels(imagenette), strict=True)}
        assert record.label == expected[file.parent.name]
    assert len({record.id for record in found}) == 30


def labels(root: Path) -> Any:
    return Imagenette(str(root), size="160px").classes


@pytest.mark.parametrize(("kind", "folder"), [("cifar10", "cifar-10-batches-py"), ("imagenette", "imagenette2-160")])
def test_a_data_set_that_is_not_there_is_one_line(kind: str, folder: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"data\.sources: {kind}: no {folder} in .*download: true") as error:
        records(kind, tmp_path / "nowhere")
    assert "\n" not in str(error.value)
    (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match=rf"{kind}: no {folder} in .*or not all of it"):
        records(kind, tmp_path, download=True)
