"""Published data sets, made up in their real layouts, are read by torchvision; only the hashes are not compared."""

import re
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torchvision.datasets
from torchvision.datasets.utils import check_integrity

from components.fetch.params import Digits, Published
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.published import read_digits, read_published
from components.stage.errors import InputError, RunError
from tests.fetch.published_layouts import (
    LAYOUTS,
    cifar10,
    cifar100,
    eurosat,
    flowers102,
    imagenette,
    lfw_people,
    mnist,
    oxford_pets,
    stl10,
    write_file,
)


def parametrize_layouts(*layouts: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("layout", layouts, ids=[layout.__name__ for layout in layouts])


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("goes online"))


@pytest.fixture
def hashes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every file for the published one if it is there."""
    for module in ("cifar", "stl10", "flowers102", "lfw"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda path, md5: check_integrity(path))


def read_images(kind: Any, root: Path | str, *, download: bool = False) -> list[Candidate]:
    return list(read_published(Published(kind=kind, root=str(root), download=download)))


def read_refusal(kind: Any, root: Path, *, download: bool = False) -> str:
    with pytest.raises(InputError) as error:
        read_images(kind, root, download=download)
    line = str(error.value)
    assert "\n" not in line
    assert "download=True" not in line, "advice for Python, not for params.yaml"
    return line


@parametrize_layouts(*LAYOUTS)
@pytest.mark.usefixtures("hashes_agree")
def test_every_image_comes_once_as_it_is_with_its_published_label_and_split(layout: Any, tmp_path: Path) -> None:
    expected = layout(tmp_path)
    images = read_images(layout.__name__, tmp_path)
    assert [(image.split, image.label, image.path) for image in images] == [image[:3] for image in expected]
    for image, (*_, content) in zip(images, expected, strict=True):
        if isinstance(content, Path):
            assert image.content == content
        else:
            assert isinstance(image.content, np.ndarray)
            assert image.content.dtype == np.uint8
            assert image.content.flags.c_contiguous
            np.testing.assert_array_equal(image.content, content)
    ids = [image.id for image in images]
    assert ids == [f"{layout.__name__}/{path}" for *_, path, _ in expected]
    assert len(set(ids)) == len(ids)
    assert [image.id for image in read_images(layout.__name__, tmp_path, download=True)] == ids, (
        "a second run finds others"
    )


def test_the_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    images = list(read_digits(Digits(kind="digits")))
    assert [image.id for image in images] == [f"digits/{number:04d}.png" for number in range(1797)]
    assert [image.label for image in images] == [str(label) for label in load_digits().target]
    assert {image.split for image in images} == {None}
    for image, grays in zip(images, load_digits().images, strict=True):
        assert isinstance(image.content, np.ndarray)
        assert image.content.dtype == np.uint8
        assert np.abs(image.content - grays * 255 / 16).max() <= 0.5


@parametrize_layouts(*LAYOUTS)
def test_a_data_set_that_is_not_there_is_one_line(layout: Any, tmp_path: Path) -> None:
    kind, folder = layout.__name__, LAYOUTS[layout]
    start = f"params.yaml: data.sources: {kind}: no {folder} in '{tmp_path}', or not all of it: "
    line = read_refusal(kind, tmp_path)
    assert line.startswith(start)
    advice = "name the folder above it as root, put the published archives there, or say download: true"
    assert kind == "lfw_people" or f"{advice} (" in line
    assert kind == "lfw_people" or re.search(r"; [\w.-]+ is not in '.*'\)$", line), "which archive is missed, and where"
    (tmp_path / folder).mkdir()
    line = read_refusal(kind, tmp_path, download=True)  # what somebody has begun to put there is left alone
    assert line.startswith(start)
    assert kind == "lfw_people" or f"{advice} with another root (" in line


@pytest.mark.parametrize("download", [False, True])
def test_who_wants_faces_is_told_that_nobody_downloads_them_and_where_to_put_them(
    download: bool, tmp_path: Path
) -> None:
    line = read_refusal("lfw_people", tmp_path, download=download)
    assert "torchvision no longer downloads it: put lfw-funneled.tgz, " in line
    assert f"peopleDevTrain.txt, peopleDevTest.txt and lfw-names.txt into '{tmp_path / 'lfw-py'}'" in line
    assert "say download: true" not in line


def test_a_download_that_fails_may_be_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A failed download is no mistake of the user's, so that the flow's retries apply."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("no route\nto host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(RunError, match=r"cifar10: the download to .* failed: <urlopen error no route to host>$"):
        list(read_published(Published(kind="cifar10", root=str(tmp_path), download=True)))


@parametrize_layouts(cifar10, cifar100, stl10, flowers102, lfw_people)
def test_other_files_than_the_published_ones_are_refused(layout: Any, tmp_path: Path) -> None:
    layout(tmp_path)
    assert "or not all of it" in read_refusal(layout.__name__, tmp_path)


@parametrize_layouts(flowers102, oxford_pets, lfw_people)
@pytest.mark.usefixtures("hashes_agree")
def test_a_half_unpacked_data_set_is_not_taken_for_the_whole(layout: Any, tmp_path: Path) -> None:
    *_, file = layout(tmp_path)[-1]
    file.unlink()
    assert read_refusal(layout.__name__, tmp_path).endswith(f"({file} is missing)")


@pytest.mark.usefixtures("hashes_agree")
def test_a_damaged_data_set_is_one_line_where_torchvision_compares_no_hashes(tmp_path: Path) -> None:
    stl10(tmp_path)
    (tmp_path / "stl10_binary/class_names.txt").unlink()
    assert read_refusal("stl10", tmp_path).endswith("(the names of its classes are missing)")
    mnist(tmp_path)
    for damaged in (b"", b"\0" * 16, (tmp_path / "MNIST/raw/train-images-idx3-ubyte").read_bytes()[:1000]):
        write_file(tmp_path / "MNIST/raw/train-images-idx3-ubyte", damaged)
        assert "mnist: no MNIST in" in read_refusal("mnist", tmp_path)
    imagenette(tmp_path)
    write_file(tmp_path / "imagenette2-160/train/n00000000/x.JPEG", "a class of somebody's own")
    assert "imagenette: no imagenette2-160 in" in read_refusal("imagenette", tmp_path)
    oxford_pets(tmp_path)
    write_file(tmp_path / "oxford-iiit-pet/annotations/trainval.txt", "Abyssinian_100 1\n")
    assert "oxford_pets: no oxford-iiit-pet in" in read_refusal("oxford_pets", tmp_path)


@pytest.mark.usefixtures("hashes_agree")
def test_only_one_split_is_held_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: weakref.WeakSet[Any] = weakref.WeakSet()

    class Watched(torchvision.datasets.STL10):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            assert not opened, "the split before it is still held"
            super().__init__(*arguments, **named)
            opened.add(self)

    expected = stl10(tmp_path)
    monkeypatch.setattr(torchvision.datasets, "STL10", Watched)
    source = read_published(Published(kind="stl10", root=str(tmp_path), download=False))
    assert not opened, "opened before an image is asked for"
    assert len([image.id for image in source]) == len(expected)


def test_a_root_in_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    expected = eurosat(tmp_path / "images")
    assert [image.path for image in read_images("eurosat", "~/images")] == [path for *_, path, _ in expected]


def test_who_reads_nothing_published_does_not_wait_for_torch() -> None:
    heavy = "{'torch', 'torchvision', 'sklearn'}"
    command = f"import sys, components.fetch.sources.published; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)
