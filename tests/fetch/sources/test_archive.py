"""Archives: the same images come out of every kind, whichever program made it."""

import hashlib
from pathlib import Path

import pytest

from components.fetch.sources import archive
from components.fetch.sources.places import Places
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN
from tests.fetch.archives import KINDS, archive_source, damage, read_archive, read_faults, write_tar, write_zip
from tests.fetch.servers import Site

FILES = {"cat/a.png": b"cat a", "dog/b.png": b"dog b", "dog/deep/c.png": b"dog c", "d.png": b"nothing's d"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_archive_holds_the_same_images(kind: str, file: Path, places: Places) -> None:
    images = read_archive(archive_source(KINDS[kind](file, FILES)), places)
    assert [(image.id, image.content, image.label, image.fault) for image in images] == [
        ("a/cat/a.png", b"cat a", "cat", None),
        ("a/dog/b.png", b"dog b", "dog", None),
        ("a/dog/deep/c.png", b"dog c", "dog", None),
        ("a/d.png", b"", None, "stands in no class's folder"),
    ]


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_folder_around_everything_is_no_class(kind: str, file: Path, places: Places) -> None:
    wrapped = {f"photos/{name}": content for name, content in FILES.items()}
    images = read_archive(archive_source(KINDS[kind](file, wrapped)), places)
    assert [(image.path, image.label) for image in images if not image.fault] == [
        ("photos/cat/a.png", "cat"),
        ("photos/dog/b.png", "dog"),
        ("photos/dog/deep/c.png", "dog"),
    ]


def test_splits_within_a_folder_around_everything_are_found(file: Path, places: Places) -> None:
    names = ["bees/README.md", "bees/train/ant/1.png", "bees/train/bee/2.png", "bees/val/ant/3.png"]
    images = read_archive(archive_source(write_tar(file, dict.fromkeys(names, b"x")), "splits"), places)
    assert [(image.split, image.label) for image in images] == [
        (None, None),
        (TRAIN, "ant"),
        (TRAIN, "bee"),
        (TEST, "ant"),
    ]
    assert images[0].fault


def test_another_file_than_was_named_is_refused(file: Path, places: Places) -> None:
    params = archive_source(write_tar(file, FILES), sha256="0" * 64)
    with pytest.raises(InputError) as error:
        read_archive(params, places)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert str(error.value) == f"params.yaml: data.sources: a: sha256 of {file} is {digest}, not the one given"


def test_names_of_every_kind_become_texts_of_their_own(file: Path, places: Places) -> None:
    names = ["two\nlines.png", "\udcff.png", "\\xff.png", "ü.png"]
    assert list(read_faults(write_tar(file, dict.fromkeys(names, b"x")), places)) == [
        "two\nlines.png",
        r"\xff.png",
        r"\\xff.png",
        "ü.png",
    ]
    write_zip(file, {"ü.png": b"x", "\u6587.png": b"x"})
    assert list(read_faults(file, places)) == ["ü.png", "\u6587.png"]
    damage(file, "ü".encode(), b"\xff\xff")  # says that it is UTF-8
    damage(file, "ü".encode(), b"\xff\xff")
    with pytest.raises(InputError, match="no tar or zip file, or a damaged one: 'utf-8' codec can't decode"):
        read_archive(archive_source(file), places)


def test_a_zip_file_from_windows_has_folders(file: Path, places: Places) -> None:
    content = {"photos\\": b"", "photos\\cat\\": b"", "photos\\cat\\a.png": b"a", "photos\\dog\\b.png": b"b"}
    images = read_archive(archive_source(write_zip(file, content, system=0)), places)
    assert [(image.path, image.label) for image in images] == [("photos/cat/a.png", "cat"), ("photos/dog/b.png", "dog")]


def test_what_macos_puts_beside_files_makes_no_difference(file: Path, places: Places) -> None:
    names = ["photos/cat/a.png", "photos/dog/b.png", "__MACOSX/photos/cat/._a.png", "__MACOSX/photos/dog/._b.png"]
    images = read_archive(archive_source(write_zip(file, dict.fromkeys(names, b"x"))), places)
    assert [(image.label, image.fault) for image in images] == [("cat", None), ("dog", None)]
    assert len(places.left_out) == 1, "counted as the folder that it is"


def test_a_tar_file_that_ends_with_a_zip_file_is_a_tar_file(file: Path, places: Places, tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"inside.png": b"x"}).read_bytes()
    assert list(read_faults(write_tar(file, {"a.png": b"a", "inner.zip": inner}), places)) == ["a.png", "inner.zip"]


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_of_the_web_is_brought_once_and_verified(kind: str, file: Path, web: Site, places: Places) -> None:
    content = KINDS[kind](file, FILES).read_bytes()
    web.files = {"data/images.zip": content}
    params = archive_source(f"{web.url}/data/images.zip?version=a/b", sha256=hashlib.sha256(content).hexdigest())
    for _ in range(2):
        assert [image.label for image in read_archive(params, places)] == ["cat", "dog", "dog", None]
    assert web.list_downloads() == ["data/images.zip"]
    with pytest.raises(InputError, match=r"sha256 of http://.* is [0-9a-f]{64}, not the one given"):
        read_archive(params.model_copy(update={"sha256": "0" * 64}), places)


def test_what_came_in_place_of_an_archive_is_named_and_brought_anew(file: Path, web: Site, places: Places) -> None:
    """Otherwise a page that asks for a login, sent once, would stay in its place until somebody removes it."""
    content = write_zip(file, {"cat/a.png": b"x"}).read_bytes()
    page = b"<!doctype html><title>Log in</title>"
    web.files, web.modified = {"a.zip": page.ljust(len(content))}, {"a.zip": "Thu, 01 Jan 2026 00:00:00 GMT"}
    params = archive_source(f"{web.url}/a.zip", sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match="not the one given; it is a web page, perhaps of a login or an error"):
        read_archive(params, places)
    web.files["a.zip"] = content
    assert [image.path for image in read_archive(params, places)] == ["cat/a.png"]


def test_an_archive_that_is_not_there_is_one_line(file: Path, web: Site, places: Places) -> None:
    for url in (str(file), f"{web.url}/a.zip"):
        with pytest.raises(InputError, match=f"^params.yaml: data.sources: {url}: not there; name a file$"):
            archive.list_files(archive_source(url, sha256="0" * 64), places)
