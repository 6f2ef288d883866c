"""Names are the same on a Mac and on Linux, and what systems keep among images is left out without being damage."""

from pathlib import Path
from unicodedata import normalize

import pytest

from components.fetch.params import Folder
from components.fetch.sources import folder as reader
from components.fetch.sources.names import compose_names, find_left_out
from components.fetch.sources.places import Places
from tests.fetch.archives import archive_source, read_archive, write_tar, write_zip
from tests.fetch.conftest import Bucket, fill
from tests.fetch.servers import Site

COMPOSED, DECOMPOSED = "Köln/é.png", normalize("NFD", "Köln/é.png")
HIDDEN = (
    ".ipynb_checkpoints/a-checkpoint.png",
    "cat/.@__thumb/a.png",
    "cat/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
    "cat/._a.png",
    "cat/Thumbs.db",
    "$RECYCLE.BIN/S-1-5/a.png",
    "System Volume Information/a.png",
    "dog/lost+found/a.png",
    "__MACOSX/cat/a.png",
    ".DS_Store",
    "dog/desktop.ini",
    "@tmp/a.png",
    "@SynoResource/a.png",
    "@__thumb/a.png",
    "~snapshot/daily/a.png",
    "Network Trash Folder/a.png",
    "LOST.DIR/1234",
    "found.000/file0001.jpg",
    "cat/__pycache__/a.png",
    "cat/.trashed-1690000000-a.jpg",
    "cat/.pending-1690000000-a.jpg",
    "cat/.fuse_hidden0000a1b200000001",
)
WANTED = ("cat/a.png", "cat/.b.png", "dog/@home/c.png", "dog/d.png")


@pytest.mark.parametrize("path", HIDDEN)
def test_what_systems_and_programs_keep_is_left_out(path: str) -> None:
    assert find_left_out(path)


@pytest.mark.parametrize(
    "path", [*WANTED, "a.png", "./a.png", "../cat/a.png", ".png", "cat..dog/a.png", "thumbs.db.png", "found.jpg"]
)
def test_what_may_be_an_image_is_not_left_out(path: str) -> None:
    assert find_left_out(path) is None


def list_left_out(places: Places, root: str) -> set[str]:
    return {name.removeprefix(f"{root}/") for name in places.left_out}


OUTERMOST = {str(find_left_out(path)) for path in HIDDEN}


def test_what_is_left_out_is_neither_listed_nor_hashed_and_is_counted(
    folder: Path, places: Places, hashed: list[str]
) -> None:
    fill(folder, *HIDDEN, *WANTED)
    listed = places.list_folder(str(folder))
    assert [file.path for file in listed] == sorted(WANTED)
    assert sorted(hashed) == sorted(str(folder / name) for name in WANTED)
    assert list_left_out(places, str(folder)) == OUTERMOST


@pytest.mark.parametrize("service", ["s3", "web"])
def test_what_is_left_out_of_a_folder_behind_a_url_is_not_asked_for(
    service: str, places: Places, request: pytest.FixtureRequest
) -> None:
    store: Bucket | Site = request.getfixturevalue("bucket" if service == "s3" else "web")
    for name in (*HIDDEN, *WANTED):
        store.put(f"in/{name}", b"x") if isinstance(store, Bucket) else store.files.update({f"in/{name}": b"x"})
    assert [file.path for file in places.list_folder(f"{store.url}/in")] == sorted(WANTED)
    assert list_left_out(places, f"{store.url}/in") == OUTERMOST
    if isinstance(store, Site):
        assert not [asked for asked in store.requests if "checkpoint" in str(asked)], "its listing is of no use"


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize("layout", ["classes", "flat"])
def test_what_is_left_out_of_an_archive_is_no_member(write: object, layout: str, file: Path, places: Places) -> None:
    images = read_archive(archive_source(write(file, dict.fromkeys((*HIDDEN, *WANTED), b"x")), layout), places)  # type: ignore[operator]
    assert [(image.path, image.fault) for image in images] == [(name, None) for name in WANTED]
    assert list_left_out(places, str(file)) == OUTERMOST


def test_a_copy_of_a_mac_has_the_ids_and_classes_of_one_on_linux(tmp_path: Path) -> None:
    seen = []
    for place, name in (("mac", DECOMPOSED), ("linux", COMPOSED)):
        path = tmp_path / place / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        places = Places(tmp_path / f"scratch-{place}", 10**6)
        params = Folder(kind="folder", name="f", url=str(tmp_path / place), layout="classes")
        listed = reader.list_files(params, places)
        [image] = reader.read_candidates(params, listed, places)
        assert isinstance(image.content, Path)
        assert image.content.read_bytes() == b"x"
        seen.append((image.id, image.label, listed[0].version))
    assert seen[0] == seen[1]
    assert seen[0][:2] == ("f/Köln/é.png", "Köln")


def test_two_files_that_differ_only_in_their_form_keep_ids_of_their_own(folder: Path, places: Places) -> None:
    for name, content in ((COMPOSED, b"linux"), (DECOMPOSED, b"mac")):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(content)
    listed = {file.path: Path(file.where).read_bytes() for file in places.list_folder(str(folder))}
    assert listed.pop(COMPOSED) == b"linux"
    [(path, content)] = listed.items()
    assert content == b"mac"
    assert path.startswith("Köln/é\\")
    assert path.endswith(".png")
    params = Folder(kind="folder", name="f", url=str(folder), layout="classes")
    images = reader.read_candidates(params, reader.list_files(params, places), places)
    assert {image.label for image in images} == {"Köln"}, "one class"


def test_names_of_ascii_stay_as_they_are_and_repeated_names_stay_equal() -> None:
    assert compose_names(["b.png", "a.png", "b.png"]) == ["b.png", "a.png", "b.png"]
    first, second, third = compose_names([DECOMPOSED, COMPOSED, DECOMPOSED])
    assert first == third != second == COMPOSED
    assert compose_names([DECOMPOSED, DECOMPOSED]) == [COMPOSED, COMPOSED]


def test_members_of_an_archive_of_a_mac_have_composed_names(file: Path, places: Places) -> None:
    [image] = read_archive(archive_source(write_zip(file, {DECOMPOSED: b"x"})), places)
    assert (image.path, image.label, image.content) == (COMPOSED, "Köln", b"x")
