"""Every file of a folder becomes a candidate, with label and split by its path, or with its fault."""

from pathlib import Path
from typing import Any

import pytest

from components.fetch.params import Folder
from components.fetch.sources import folder as reader
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.places import Places
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.conftest import fill
from tests.fetch.servers import Site


def read_folder(url: str | Path, layout: Any, places: Places) -> list[Candidate]:
    params = Folder(kind="folder", name="f", url=str(url), layout=layout)
    return list(reader.read_candidates(params, reader.list_files(params, places), places))


def get_labels(images: list[Candidate]) -> list[tuple[str, str | None, str | None]]:
    assert [image.fault for image in images] == [None] * len(images)
    return [(image.path, image.label, image.split) for image in images]


def test_a_class_is_a_folder(folder: Path, places: Places) -> None:
    fill(folder, "dog/b.png", "cat/a.png", "cat/white/c.png")
    images = read_folder(folder, "classes", places)
    assert get_labels(images) == [
        ("cat/a.png", "cat", None),
        ("cat/white/c.png", "cat", None),
        ("dog/b.png", "dog", None),
    ]
    assert [image.id for image in images] == ["f/cat/a.png", "f/cat/white/c.png", "f/dog/b.png"]
    assert [image.content for image in images] == [folder / image.path for image in images]


def test_splits_are_not_taken_for_classes(folder: Path, places: Places) -> None:
    """Otherwise the images of the test split would be trained on, as the class "test"."""
    fill(folder, "train/cat/a.png", "test/cat/b.png")
    with pytest.raises(InputError, match=r"sources: f: layout: its classes are called test, train; say splits$"):
        read_folder(folder, "classes", places)


def test_splits_have_classes_within_them(folder: Path, places: Places) -> None:
    fill(folder, "train/cat/a.png", "val/dog/b.png", "unlabelled/c.png")
    expected = [
        ("train/cat/a.png", "cat", TRAIN),
        ("unlabelled/c.png", None, UNLABELLED),
        ("val/dog/b.png", "dog", TEST),
    ]
    assert get_labels(read_folder(folder, "splits", places)) == expected


def test_unlabelled_images_are_not_one_class_each(folder: Path, places: Places) -> None:
    fill(folder, "a.png", "2026/b.png")
    assert get_labels(read_folder(folder, "flat", places)) == [("2026/b.png", None, None), ("a.png", None, None)]


def test_every_file_is_a_candidate_or_says_why_not(folder: Path, places: Places) -> None:
    fill(folder, "cat/a.png", "README", "cat/large.png", b"cat/\xff.png")
    (folder / "cat/large.png").write_bytes(b"x" * (places.max_bytes + 1))
    (folder / "cat/nothing.png").symlink_to("none")
    images = read_folder(folder, "classes", places)
    assert {image.path: image.fault for image in images} == {
        "README": "stands in no class's folder",
        "cat/a.png": None,
        "cat/large.png": "1,000,001 bytes are more than data.limits.max_bytes",
        "cat/nothing.png": "a link to nothing",
        r"cat/\xff.png": None,
    }


@pytest.mark.usefixtures("online")
def test_a_folder_behind_a_url_gives_the_same(folder: Path, web: Site, places: Places) -> None:
    fill(folder, "dog/b.png", "golden cat/a.png", "README")
    web.files = {f"in/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    local_images, remote_images = (
        read_folder(folder, "classes", places),
        read_folder(f"{web.url}/in", "classes", places),
    )
    for local_image, remote_image in zip(local_images, remote_images, strict=True):
        assert (local_image.id, local_image.label, local_image.split, local_image.fault) == (
            remote_image.id,
            remote_image.label,
            remote_image.split,
            remote_image.fault,
        )
        assert Path(local_image.content).read_bytes() == Path(remote_image.content).read_bytes()  # type: ignore[arg-type]
    assert [image.label for image in local_images] == [None, "dog", "golden cat"]


def test_images_that_are_too_large_are_not_even_downloaded(web: Site, places: Places) -> None:
    web.files = {"in/a.png": b"x" * (places.max_bytes + 1), "in/b.png": b"b"}
    assert [image.fault is None for image in read_folder(f"{web.url}/in", "flat", places)] == [False, True]
    assert "in/a.png" not in web.list_downloads()
