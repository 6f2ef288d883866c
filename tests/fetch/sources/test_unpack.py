"""Published archives that lie without a network are unpacked where they lie, and nothing of the user's is lost."""

import gzip
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets.utils import check_integrity

from components.fetch.params import Published
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.published import read_published
from components.stage.errors import InputError
from tests.fetch import published_layouts as layouts


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("goes online"))


@pytest.fixture
def hashes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every file for the published one if it is there."""
    for module in ("cifar", "stl10", "flowers102", "lfw", "utils"):
        monkeypatch.setattr(
            f"torchvision.datasets.{module}.check_integrity", lambda path, md5=None: check_integrity(path)
        )


def read_images(kind: Any, root: Path, *, download: bool = False) -> list[Candidate]:
    return list(read_published(Published(kind=kind, root=str(root), download=download)))


def pack(archive: Path, *folders: Path) -> None:
    """Move folders into an archive that holds them by their names."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        shutil.make_archive(str(archive.with_suffix("")), "zip", folders[0].parent, folders[0].name)
    else:
        with tarfile.open(archive, "w:gz") as opened:
            for folder in folders:
                opened.add(folder, folder.name)
    for folder in folders:
        shutil.rmtree(folder)


def pack_files(folder: Path, into: Path) -> None:
    """Compress each file of a folder, one by one."""
    into.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        (into / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
        file.unlink()


# How each data set is published, and where torchvision would put its archives.
PACKED: dict[str, Callable[[Path], None]] = {
    "cifar10": lambda root: pack(root / "cifar-10-python.tar.gz", root / "cifar-10-batches-py"),
    "cifar100": lambda root: pack(root / "cifar-100-python.tar.gz", root / "cifar-100-python"),
    "mnist": lambda root: pack_files(root / "MNIST/raw", root / "MNIST/raw"),
    "fashion_mnist": lambda root: pack_files(root / "FashionMNIST/raw", root / "FashionMNIST/raw"),
    "stl10": lambda root: pack(root / "stl10_binary.tar.gz", root / "stl10_binary"),
    "imagenette": lambda root: pack(root / "imagenette2-160.tgz", root / "imagenette2-160"),
    "flowers102": lambda root: pack(root / "flowers-102/102flowers.tgz", root / "flowers-102/jpg"),
    "oxford_pets": lambda root: (
        pack(root / "oxford-iiit-pet/images.tar.gz", root / "oxford-iiit-pet/images"),
        pack(root / "oxford-iiit-pet/annotations.tar.gz", root / "oxford-iiit-pet/annotations"),
    )[0],
    "eurosat": lambda root: pack(root / "eurosat/EuroSAT.zip", root / "eurosat/2750"),
    "lfw_people": lambda root: pack(root / "lfw-py/lfw-funneled.tgz", root / "lfw-py/lfw_funneled"),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.usefixtures("hashes_agree")
def test_what_lies_packed_is_unpacked_once_and_the_archives_stay(kind: str, tmp_path: Path) -> None:
    expected = getattr(layouts, kind)(tmp_path)
    PACKED[kind](tmp_path)
    archives = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in (".gz", ".tgz", ".zip")}
    assert archives
    images = read_images(kind, tmp_path)
    assert [(image.split, image.label, image.path) for image in images] == [image[:3] for image in expected]
    assert {path: path.read_bytes() for path in archives} == archives
    assert not list(tmp_path.rglob(".unpacking-*"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert [image.id for image in read_images(kind, tmp_path)] == [image.id for image in images]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before, "unpacked again"


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.usefixtures("hashes_agree")
def test_archives_in_the_root_itself_are_found_too(download: bool, tmp_path: Path) -> None:
    expected = layouts.fashion_mnist(tmp_path)
    pack_files(tmp_path / "FashionMNIST/raw", tmp_path)
    shutil.rmtree(tmp_path / "FashionMNIST")
    assert len(read_images("fashion_mnist", tmp_path, download=download)) == len(expected)
    flowers = layouts.flowers102(tmp_path)
    pack(tmp_path / "102flowers.tgz", tmp_path / "flowers-102/jpg")
    for name in ("imagelabels.mat", "setid.mat"):
        (tmp_path / f"flowers-102/{name}").replace(tmp_path / name)
    assert len(read_images("flowers102", tmp_path, download=download)) == len(flowers)


@pytest.mark.usefixtures("hashes_agree")
def test_an_archive_that_is_missed_is_named_and_nobody_is_told_to_delete_the_others(tmp_path: Path) -> None:
    layouts.fashion_mnist(tmp_path)
    raw = tmp_path / "FashionMNIST/raw"
    pack_files(raw, raw)
    (raw / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError) as error:
        read_images("fashion_mnist", tmp_path)
    assert str(error.value).endswith(f"; t10k-labels-idx1-ubyte.gz is not in '{raw}')")
    assert "remove" not in str(error.value)


def test_an_archive_that_is_not_the_published_one_is_left_alone_and_named(tmp_path: Path) -> None:
    layouts.cifar10(tmp_path)
    PACKED["cifar10"](tmp_path)
    archive = tmp_path / "cifar-10-python.tar.gz"
    before = archive.read_bytes()
    with pytest.raises(InputError, match="is not the published file, by its MD5; download it anew"):
        read_images("cifar10", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]
    assert archive.read_bytes() == before


@pytest.mark.parametrize("kind", PACKED)
def test_a_data_set_that_is_not_there_leaves_no_folder_behind(kind: str, tmp_path: Path) -> None:
    """A folder without a file would keep the next run from downloading."""
    for root in (tmp_path, tmp_path / "raw"):
        with pytest.raises(InputError):
            read_images(kind, root)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("hashes_agree")
def test_files_that_somebody_has_put_there_stay_when_the_rest_is_unpacked(tmp_path: Path) -> None:
    layouts.cifar10(tmp_path)
    PACKED["cifar10"](tmp_path)
    mine = tmp_path / "cifar-10-batches-py/notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert len(read_images("cifar10", tmp_path)) == 12
    assert mine.read_text() == "mine"
