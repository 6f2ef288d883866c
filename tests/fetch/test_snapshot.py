"""Snapshots: a change is noticed and told, here as in a bucket, and accepting it changes nothing but the pin."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fetch import snapshot
from components.fetch.params import Data, Snapshot
from components.fetch.snapshot import COMMAND, Inventory, check_snapshot, take_inventory
from components.fetch.sources.open import open_sources
from components.fetch.sources.places import Places
from components.stage.command import read_params
from components.stage.errors import InputError
from tests.conftest import ROOT
from tests.fetch.conftest import rewrite


class Home:
    """The place of the images: a folder of this machine or a bucket."""

    def __init__(self, url: str, put: Callable[[str, bytes], Any], remove: Callable[[str], Any]) -> None:
        self.url, self.put, self.remove = url, put, remove


@pytest.fixture(params=["local", "s3"])
def home(request: pytest.FixtureRequest, folder: Path) -> Home:
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        return Home(bucket.url, bucket.put, bucket.remove)
    return Home(str(folder), lambda name, content: rewrite(folder / name, content), lambda n: (folder / n).unlink())


def make_params(*sources: dict[str, Any]) -> Data:
    section = read_params(ROOT / "params.yaml").data.model_dump()
    return Data.model_validate(section | {"sources": sources})


def folder_params(home: Home) -> Data:
    return make_params({"kind": "folder", "name": "f", "url": home.url, "layout": "flat"})


def list_inventory(params: Data, places: Places) -> Inventory:
    return take_inventory(open_sources(params, places))


def read_refusal(pinned: Snapshot, params: Data, places: Places) -> str:
    with pytest.raises(InputError) as error:
        check_snapshot(pinned, list_inventory(params, places), places.scratch)
    start, end = "params.yaml: data.snapshot: ", f"; accept it by `{COMMAND}`"
    line = str(error.value)
    assert "\n" not in line
    assert (line[: len(start)], line[-len(end) :]) == (start, end)
    return line[len(start) : -len(end)]


@pytest.fixture
def accepted(home: Home, places: Places) -> Snapshot:
    """The accepted snapshot of three files."""
    for name in ("a.png", "b.png", "c.png"):
        home.put(name, f"{name}, as it was".encode())
    inventory = list_inventory(folder_params(home), places)
    check_snapshot(None, inventory, places.scratch)
    return inventory.snapshot


def test_what_stays_the_same_is_accepted_again_and_again(home: Home, accepted: Snapshot, places: Places) -> None:
    assert (accepted.files, accepted.bytes) == (3, 3 * len("a.png, as it was"))
    check_snapshot(accepted, list_inventory(folder_params(home), places), places.scratch)
    home.put("a.png", b"a.png, as it was")  # written anew, but the same
    check_snapshot(accepted, list_inventory(folder_params(home), places), places.scratch)
    shutil.rmtree(places.scratch)
    check_snapshot(accepted, list_inventory(folder_params(home), places), places.scratch)


def test_new_gone_and_changed_files_are_counted_and_the_first_is_named(
    home: Home, accepted: Snapshot, places: Places
) -> None:
    home.put("b.png", b"b.png, as it is!")
    changed = "the sources have changed: {} files new, {} gone, {} changed, as f/{}"
    assert read_refusal(accepted, folder_params(home), places) == changed.format(0, 0, 1, "b.png"), "of the same size"
    home.remove("c.png")
    assert read_refusal(accepted, folder_params(home), places) == changed.format(0, 1, 1, "c.png")
    home.put("e.png", b"e")
    home.put("d.png", b"d")
    assert read_refusal(accepted, folder_params(home), places) == changed.format(2, 1, 1, "d.png")
    home.remove("a.png")
    home.put("z.png", b"a.png, as it was")  # under another name it is another file
    assert read_refusal(accepted, folder_params(home), places) == changed.format(3, 2, 1, "d.png")


def test_a_fresh_clone_tells_numbers(home: Home, accepted: Snapshot, places: Places) -> None:
    home.put("d.png", b"d")
    shutil.rmtree(places.scratch)
    assert read_refusal(accepted, folder_params(home), places) == (
        "the sources have changed: 3 files of 48 bytes were accepted, there are 4 of 49 "
        f"(which ones, {places.scratch}/snapshots of another clone may know)"
    )
    assert not list((places.scratch / "snapshots").glob("*")), "a refused state is recorded as if it were accepted"


def test_a_pin_that_somebody_edited_is_told_from_a_change(home: Home, accepted: Snapshot, places: Places) -> None:
    edited = accepted.model_copy(update={"files": 7})
    assert read_refusal(edited, folder_params(home), places) == "its files or bytes are not those of its digest"


def test_without_a_pin_everything_goes_and_the_way_to_one_is_told(
    home: Home, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    home.put("a.png", b"12345")
    check_snapshot(None, list_inventory(folder_params(home), places), places.scratch)
    assert capsys.readouterr().out == f"snapshot: 1 files, 5 bytes, not pinned; pin them by `{COMMAND}`\n"


def test_the_order_of_the_files_makes_no_difference() -> None:
    files = [("f/a\nb", 1, "x"), ("f/b", 2, "y"), ("g/a", 3, "")]
    pin = Inventory(files).snapshot
    assert Inventory(files[::-1]).snapshot == pin
    assert (pin.files, pin.bytes) == (3, 6)
    changed_listings = [
        files[:2],
        [*files, files[0]],
        [("f/a\nb", 2, "x"), *files[1:]],
        [("f/a\nb", 1, "y"), *files[1:]],
    ]
    changed_listings += [[("f/a", 1, "x"), *files[1:]], [("g/a\nb", 1, "x"), *files[1:]]]
    assert len(
        {pin.digest, *(Inventory(changed_files).snapshot.digest for changed_files in changed_listings)}
    ) == 1 + len(changed_listings)


def test_a_record_comes_back_as_it_went(tmp_path: Path) -> None:
    for files in ([], [("f/a\nb", 1, "x"), (r"f/\xff", 2**40, "")]):
        snapshot.write_record(Inventory(files), tmp_path)
        assert snapshot.read_record(snapshot.locate_record(Inventory(files).snapshot.digest, tmp_path)) == files


def test_an_image_of_a_manifest_that_changed_is_noticed(home: Home, places: Places) -> None:
    home.put("list.csv", b"path\na.png\nb.png\n")
    home.put("a.png", b"a")
    home.put("other.png", b"not listed")
    params = make_params({"kind": "manifest", "name": "m", "url": f"{home.url}/list.csv"})
    first = list_inventory(params, places)
    check_snapshot(None, first, places.scratch)
    assert (first.snapshot.files, first.snapshot.bytes) == (3, 18)
    home.put("other.png", b"still not listed")
    check_snapshot(first.snapshot, list_inventory(params, places), places.scratch)
    home.put("a.png", b"A")
    assert read_refusal(first.snapshot, params, places).endswith("0 files new, 0 gone, 1 changed, as m/a.png")
    home.put("a.png", b"a")
    home.put("b.png", b"b")  # was not there
    assert read_refusal(first.snapshot, params, places).endswith("0 files new, 0 gone, 1 changed, as m/b.png")


def test_published_data_sets_pin_no_files(places: Places, tmp_path: Path) -> None:
    params = make_params({"kind": "digits"}, {"kind": "mnist", "root": str(tmp_path / "nowhere"), "download": False})
    assert list_inventory(params, places).files == []


def test_files_of_two_sources_are_told_apart(folder: Path, places: Places) -> None:
    (folder / "a.png").write_bytes(b"a")
    source = {"kind": "folder", "name": "one", "url": str(folder), "layout": "flat"}
    inventory = list_inventory(make_params(source, source | {"name": "two"}), places)
    assert [path for path, _, _ in inventory.files] == ["one/a.png", "two/a.png"]


DAMAGED: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text('{"path": 1}'),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "a wrong bit": lambda path: path.write_bytes(path.read_bytes().replace(b"b.png", b"c.png", 1)),
    "other types": lambda path: pq.write_table(pa.table({"path": [1], "size": ["x"], "version": [2.5]}), path),
    "other columns": lambda path: pq.write_table(pa.table({"path": ["a"]}), path),
    "nothing known": lambda path: pq.write_table(pa.schema(snapshot.RECORDED).empty_table(), path),
    "values missing": lambda path: pq.write_table(
        pa.table({"path": [None], "size": [None], "version": [None]}, schema=pa.schema(snapshot.RECORDED)), path
    ),
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "x").write_text("")),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_record_counts_as_missing(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would stop every `--accept`, and so the retraining of every night, though it only tells what has changed."""
    before, after = Inventory([("f/a.png", 1, "x"), ("f/b.png", 2, "y")]), Inventory([("f/a.png", 1, "x")])
    snapshot.write_record(before, tmp_path)
    path = snapshot.locate_record(before.snapshot.digest, tmp_path)
    DAMAGED[how](path)
    told = snapshot.describe_difference(before.snapshot, after, tmp_path)
    assert told.startswith("the sources have changed: 2 files of 3 bytes were accepted, there are 1 of 1")
    assert capsys.readouterr().out == f"snapshot: {path} is damaged and counts as missing\n"
    snapshot.write_record(before, tmp_path)
    assert snapshot.read_record(path) == before.files
