"""Every file of this machine is listed once, and no unchanged file is read twice."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.fetch.sources.candidate import escape_name
from components.fetch.sources.places import Places, to_local_path
from components.stage.errors import InputError
from tests.fetch.conftest import faults, fill


def test_files_are_told_apart_by_their_content_in_the_order_of_their_paths(folder: Path, places: Places) -> None:
    names = ["b/2.png", "b.png", "a/1/x.png", "a/z.png", "é.png", "B.png", "empty"]
    fill(folder, *names)
    (folder / "empty").write_bytes(b"")
    (folder / "c").mkdir()
    listed = places.list_folder(str(folder))
    assert [file.path for file in listed] == sorted(names)
    for file in listed:
        content = (folder / file.path).read_bytes()
        assert (file.size, file.version) == (len(content), hashlib.sha256(content).hexdigest())
        assert (Path(file.where), file.fault) == (folder / file.path, None)
    assert places.list_folder(f"file://{folder}/") == listed


def test_a_listing_does_not_depend_on_the_order_of_the_disk(
    folder: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, *(f"{folder_}/{name}" for folder_ in "cab" for name in "312"), "z", "y")
    expected = places.list_folder(str(folder))

    class Reversed:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", Reversed)
    assert places.list_folder(str(folder)) == expected


def test_every_name_becomes_a_text_of_its_own_and_its_file_is_found_by_it(folder: Path, places: Places) -> None:
    names = [b"two\nlines.png", b"\xff.png", b"\\xff.png", b"\\\\xff.png", "ü.png".encode(), b"\xfc.png", b" .png"]
    fill(folder, *names)
    listed = places.list_folder(str(folder))
    texts = {"two\nlines.png", r"\xff.png", r"\\xff.png", r"\\\\xff.png", "ü.png", r"\xfc.png", " .png"}
    assert {file.path for file in listed} == texts
    for file in listed:
        file.path.encode()
        content = Path(file.where).read_bytes()
        assert escape_name(content[1:-1]) == file.path
        assert escape_name(os.fsdecode(content[1:-1])) == file.path


def test_links_are_followed_but_in_circles(folder: Path, tmp_path: Path, places: Places) -> None:
    fill(folder, "a/1.png")
    fill(tmp_path / "outside", "2.png", "deep/3.png")
    (folder / "nothing.png").symlink_to(tmp_path / "nothing.png")
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "file.png").symlink_to(tmp_path / "outside/2.png")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "sister").symlink_to("a", target_is_directory=True)
    (folder / "above").symlink_to("..", target_is_directory=True)
    (folder / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "outside/back").symlink_to(folder, target_is_directory=True)
    (tmp_path / "outside/deep/up").symlink_to("..", target_is_directory=True)
    assert faults(places.list_folder(str(folder))) == {
        "a/1.png": None,
        "above": "a link back into the folder",
        "file.png": None,
        "itself.png": "a link that leads to itself",
        "loop": "a link back into the folder",
        "nothing.png": "a link to nothing",
        "out/2.png": None,
        "out/back": "a link back into the folder",
        "out/deep/3.png": None,
        "out/deep/up": "a folder that is read already",
        "sister": "a link back into the folder",
    }


def test_what_two_links_lead_to_comes_once(folder: Path, tmp_path: Path, places: Places) -> None:
    """This holds also if one of them leads into the folder of the other; otherwise its images would count twice."""
    fill(folder, "1.png")
    fill(tmp_path / "outside", "2.png", "deep/3.png")
    for name, target in {"a": "outside/deep", "b": "outside", "c": "outside"}.items():
        (folder / name).symlink_to(tmp_path / target, target_is_directory=True)
    again = "a folder that is read already"
    assert faults(places.list_folder(str(folder))) == {
        "1.png": None,
        "a/3.png": None,
        "b/2.png": None,
        "b/deep": again,
        "c": again,
    }


def test_a_folder_that_is_itself_a_link_is_read(folder: Path, tmp_path: Path, places: Places) -> None:
    fill(folder, "1.png")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert [file.path for file in places.list_folder(str(tmp_path / "link"))] == ["1.png"]


def test_a_pipe_is_never_opened_for_nobody_would_ever_write_to_it(
    folder: Path, places: Places, hashed: list[str]
) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to(folder / "pipe.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    fault = "not a file but a device, a pipe or a folder"
    assert set(faults(places.list_folder(str(folder))).values()) == {fault}
    assert faults(places.list_files([("p", str(folder / "pipe.png")), ("f", str(folder))])) == {"p": fault, "f": fault}
    assert not hashed


def test_what_must_not_be_read_is_listed_and_the_rest_is_read(
    folder: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, "a.png", "secret.png")
    opens = Path.open

    def refuse(really: Any, path: Any, *arguments: Any) -> Any:
        if "secret" in str(path):
            raise PermissionError(13, "Permission denied")
        return really(path, *arguments)

    monkeypatch.setattr(Path, "open", lambda path, *arguments: refuse(opens, path, *arguments))
    listed = places.list_folder(str(folder))
    assert faults(listed) == {
        "a.png": None,
        "secret.png": "cannot be read: Permission denied",
    }
    monkeypatch.undo()
    assert set(faults(places.list_folder(str(folder))).values()) == {None}, "its hash was kept as if it were known"


def test_a_class_that_cannot_be_read_does_not_pass_as_one_file(
    folder: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a hundred thousand images would be missing, and nobody would be told."""
    fill(folder, "a/1.png", "b/1.png")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"/b: the folder cannot be read: Permission denied; make it readable"):
        places.list_folder(str(folder))


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere", "No such file or directory"), ("file.png", "Not a directory")]
)
def test_a_folder_that_is_none_is_one_line(name: str, reason: str, folder: Path, places: Places) -> None:
    fill(folder, "file.png")
    with pytest.raises(InputError) as error:
        places.list_folder(str(folder / name))
    assert str(error.value) == f"params.yaml: data.sources: {folder / name}: {reason}; name a folder"


def test_a_refusal_says_where_a_path_of_the_working_folder_leads(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for ask in (places.list_folder, places.list_file):
        with pytest.raises(InputError, match=rf"data\.sources: no/where \(that is {tmp_path}/no/where\): "):
            ask("no/where")


def test_files_that_are_named_come_in_that_order_with_those_that_are_not_there(folder: Path, places: Places) -> None:
    fill(folder, "a.png", "b.png")
    named = [(name, str(folder / name)) for name in ("b.png", "no.png", "a.png", "zero\0.png", "b.png")]
    listed = places.list_files(named)
    assert [(file.path, file.fault and file.fault.partition(":")[0]) for file in listed] == [
        ("b.png", None),
        ("no.png", "not there"),
        ("a.png", None),
        ("zero\0.png", "not there"),
        ("b.png", None),
    ]
    assert listed[0].version == hashlib.sha256(b"<b.png>").hexdigest()


def test_a_file_that_must_be_there_is_missed_in_one_line(folder: Path, places: Places) -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: data\.sources: .*images/list\.csv: not there; name a file$"):
        places.list_file(str(folder / "list.csv"))
    with pytest.raises(InputError, match=r"images: not a file but a device, a pipe or a folder; name a file$"):
        places.list_file(str(folder))


def test_the_home_folder_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert to_local_path("~/images") == to_local_path("file://~/images") == str(tmp_path / "images")
    assert to_local_path("~nobody-is-called-so/images") == "~nobody-is-called-so/images"
