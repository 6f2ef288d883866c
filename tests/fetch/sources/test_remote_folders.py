"""Folders behind URLs hold the same files as a folder of this machine, however the service presents them."""

from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from components.fetch.sources.places import Places
from components.stage.errors import InputError, RunError
from tests.fetch.conftest import Bucket, faults, fill
from tests.fetch.servers import Site, Storage, serve

NAMES = [
    "b/2.png",
    "b.png",
    "a/1/x y.png",
    "a/z.png",
    "é.png",
    "B.png",
    "100%.png",
    "a%20b.png",
    "a#1?.png",
    "w\\x.png",
]


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, online: None) -> Iterator[dict[str, bytes]]:
    """The objects that Google's storage holds, as seen by somebody without credentials."""
    from gcsfs import GCSFileSystem

    contents: dict[str, bytes] = {}
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with serve(Storage, objects=contents) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        GCSFileSystem.clear_instance_cache()
        yield contents
    GCSFileSystem.clear_instance_cache()


@pytest.mark.parametrize("service", ["s3", "web", "gs"])
def test_a_folder_holds_the_same_files_wherever_it_is(
    service: str, folder: Path, places: Places, request: pytest.FixtureRequest
) -> None:
    fill(folder, *NAMES)
    local_files = places.list_folder(str(folder))
    store: Any = request.getfixturevalue({"s3": "bucket", "web": "web", "gs": "objects"}[service])
    for name in [*NAMES, "empty"]:
        (folder / "empty").touch()
        key, content = f"my images/{name}", (folder / name).read_bytes()
        if service == "s3":
            store.put(key, content)
        else:
            (store.files if service == "web" else store)[key] = content
    url = f"{'gs://images' if service == 'gs' else store.url}/my images"
    for slash in ("", "/"):
        remote_files = [file for file in places.list_folder(url + slash) if file.path != "empty"]
        assert [(file.path, file.size, file.fault) for file in remote_files] == [
            (f.path, f.size, f.fault) for f in local_files
        ]
        assert [file.version for file in remote_files] == [
            md5(Path(file.where).read_bytes()).hexdigest() for file in local_files
        ]
    brought = [place.read_bytes() for _, place in places.bring_files(remote_files) if isinstance(place, Path)]
    assert brought == [Path(file.where).read_bytes() for file in local_files]


@pytest.mark.parametrize("service", ["s3", "gs"])
def test_what_stands_for_a_folder_in_a_bucket_is_no_file(
    service: str, places: Places, request: pytest.FixtureRequest
) -> None:
    store: Any = request.getfixturevalue("bucket" if service == "s3" else "objects")
    for key in ("images/", "images/cat/", "images/cat/a.png", "images2/b.png"):
        store.put(key, b"") if service == "s3" else store.update({key: b""})
    url = store.url if service == "s3" else "gs://images"
    assert [file.path for file in places.list_folder(f"{url}/images")] == ["cat/a.png"]
    assert [file.path for file in places.list_folder(url)] == ["images/cat/a.png", "images2/b.png"]
    named = [("folder", f"{url}/images"), ("file", f"{url}/images/cat/a.png"), ("none", f"{url}/imag")]
    assert faults(places.list_files(named)) == {"folder": "a folder and not a file", "file": None, "none": "not there"}


def test_a_file_and_an_empty_folder_are_one_line(bucket: Bucket, places: Places) -> None:
    bucket.put("a.png", b"a")
    for url, message in {
        f"{bucket.url}/a.png": "a file; name a folder",
        f"{bucket.url}/b": "no such folder, or nothing in it",
    }.items():
        with pytest.raises(InputError) as error:
            places.list_folder(url)
        assert str(error.value) == f"params.yaml: data.sources: {url}: {message}"


def test_a_second_listing_sees_what_another_program_changed(bucket: Bucket, places: Places) -> None:
    bucket.put("images/a.png", b"a")
    bucket.put("images/b.png", b"b")
    before = places.list_folder(f"{bucket.url}/images")
    bucket.put("images/a.png", b"A")
    bucket.remove("images/b.png")
    named = [(name, f"{bucket.url}/images/{name}") for name in ("a.png", "b.png")]
    assert faults(places.list_files(named)) == {"a.png": None, "b.png": "not there"}
    [after] = places.list_folder(f"{bucket.url}/images")
    assert after.version != before[0].version


def test_of_a_page_only_the_files_below_it_count(web: Site, places: Places) -> None:
    """Servers write their listings in many ways, and put other links beside them."""
    web.files = dict.fromkeys(("data/a.png", "data/b & c.png", "data/sub/d.png", "data/f.png", "e.png"), b"x")
    web.pages["data/"] = f"""<html><head><link href="style.css"><title>data</title></head>
        <a href="?C=M;O=D">Last modified</a> <a href="./?sort=name">Name</a> <a href="#top">top</a>
        <a href="/">root</a> <a href="../">up</a> <a href="..">up</a> <a href="/e.png">other</a> <a href="./">this</a>
        <a class="file" href="./a.png">a.png</a> <A HREF='b%20&amp;%20c.png'>b</A> <a href="/data/sub/">sub</a>
        <a href="{web.url}/data/f.png">f</a> <a href="{web.url}/data/a.png">a again</a>
        <a href="http://[broken/x.png">broken</a> <a href="https://example.org/x.png">elsewhere</a></html>"""
    assert [file.path for file in places.list_folder(f"{web.url}/data")] == ["a.png", "b & c.png", "f.png", "sub/d.png"]
    assert len(web.requests) < 20, "pages are read in circles"


def test_a_link_to_nothing_is_listed_and_the_rest_is_read(web: Site, places: Places) -> None:
    web.files = {"data/a.png": b"a"}
    web.pages["data/"] = '<a href="a.png">a</a> <a href="b.png">b</a> <a href="sub/">sub</a>'
    assert faults(places.list_folder(f"{web.url}/data/")) == {"a.png": None, "b.png": "not there", "sub": "not there"}


def test_a_web_page_that_is_no_folder_is_one_line(web: Site, places: Places) -> None:
    web.pages["data/"] = "<html>Nothing to see</html>"
    web.files["file.zip"] = b"x"
    for path in ("data", "nowhere", "file.zip"):
        with pytest.raises(
            InputError, match=rf"^params\.yaml: data\.sources: {web.url}/{path}: no such folder, or nothing"
        ):
            places.list_folder(f"{web.url}/{path}")


def test_a_folder_of_which_a_part_cannot_be_listed_is_not_taken_for_the_whole(web: Site, places: Places) -> None:
    web.files = {"data/a/1.png": b"1", "data/b/2.png": b"2"}
    web.statuses = {"data/b/": 500, "data/b": 500}
    with pytest.raises(RunError, match="data/b/: tried 5 times: 500"):
        places.list_folder(f"{web.url}/data")
