"""A folder as a source: every file in it becomes a candidate, with what its path says or why it is none."""

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


def read(url: str | Path, layout: Any, places: Places) -> list[Candidate]:
    params = Folder(kind="folder", name="f", url=str(url), layout=layout)
    return list(reader.read(params, reader.list_files(params, places), places))


def about(found: list[Candidate]) -> list[tuple[str, str | None, str | None]]:
    assert [image.fault for image in found] == [None] * len(found)
    return [(image.path, image.label, image.split) for image in found]


def test_a_class_is_a_folder(folder: Path, places: Places) -> None:
    fill(folder, "dog/b.png", "cat/a.png", "cat/white/c.png")
    found = read(folder, "classes", places)
    assert about(found) == [("cat/a.png", "cat", None), ("cat/white/c.png", "cat", None), ("dog/b.png", "dog", None)]
    assert [image.id for image in found] == ["f/cat/a.png", "f/cat/white/c.png", "f/dog/b.png"]
    assert [image.content for image in found] == [folder / image.path for image in found]


def test_splits_are_not_taken_for_classes(folder: Path, places: Places) -> None:
    """A test split would be trained on, as the class "test"."""
    fill(folder, "train/cat/a.png", "test/cat/b.png")
    with pytest.raises(InputError, match=r"sources: f: layout: its classes are called test, train; say splits$"):
        read(folder, "classes", places)


def test_splits_have_classes_within_them(folder: Path, places: Places) -> None:
    fill(folder, "train/cat/a.png", "val/dog/b.png", "unlabelled/c.png")
    expected = [
        ("train/cat/a.png", "cat", TRAIN),
        ("unlabelled/c.png", None, UNLABELLED),
        ("val/dog/b.png", "dog", TEST),
    ]
    assert about(read(folder, "splits", places)) == expected


def test_unlabelled_images_are_not_one_class_each(folder: Path, places: Places) -> None:
    fill(folder, "a.png", "2026/b.png")
    assert about(read(folder, "flat", places)) == [("2026/b.png", None, None), ("a.png", None, None)]


def test_every_file_is_a_candidate_or_says_why_not(folder: Path, places: Places) -> None:
    fill(folder, "cat/a.png", "README", "cat/large.png", b"cat/\xff.png")
    (folder / "cat/large.png").write_bytes(b"x" * (places.max_bytes + 1))
    (folder / "cat/nothing.png").symlink_to("none")
    found = read(folder, "classes", places)
    assert {image.path: image.fault for image in found} == {
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
    here, there = read(folder, "classes", places), read(f"{web.url}/in", "classes", places)
    for near, far in zip(here, there, strict=True):
        assert (near.id, near.label, near.split, near.fault) == (far.id, far.label, far.split, far.fault)
        assert Path(near.content).read_bytes() == Path(far.content).read_bytes()  # type: ignore[arg-type]
    assert [image.label for image in here] == [None, "dog", "golden cat"]


def test_images_that_are_too_large_are_not_even_downloaded(web: Site, places: Places) -> None:
    web.files = {"in/a.png": b"x" * (places.max_bytes + 1), "in/b.png": b"b"}
    assert [image.fault is None for image in read(f"{web.url}/in", "flat", places)] == [False, True]
    assert "in/a.png" not in web.got()
