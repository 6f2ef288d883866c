"""Cameras write a RAW file and its JPEG: the RAW file is damage only where the JPEG is not stored."""

from pathlib import Path

import pytest

from components.fetch import __main__ as fetch
from components.fetch.checks.facts import Facts
from components.fetch.checks.named import HEIC
from components.fetch.checks.pairs import excuse_photos
from components.stage.errors import InputError
from components.store.pages import CAMERA_RAW
from tests.fetch.fetched import Fetched, folder_source, inspect_in_this_process, photo, save, section
from tests.fetch.judged import reject


def excuse(rejected: str, *stored: str, reason: str = CAMERA_RAW) -> bool:
    """Whether a rejected file of the source `s` is excused by these stored images."""
    facts = reject(Facts(), rejected, reason)
    facts.ids += stored
    excuse_photos(facts)
    [file] = facts.rejected
    assert ("beside it is stored" in file.reason) is not file.image
    return not file.image


def test_a_picture_of_the_same_name_beside_it_excuses_a_photo() -> None:
    assert excuse("ant/IMG_1.CR2", "s/ant/IMG_1.jpg")
    assert excuse("ant/IMG_1.CR2", "s/bee/IMG_2.jpg", "s/ant/img_1.JPG")
    assert excuse("ant/IMG_1.CR2", "s/ant/IMG_1.CR2.jpg")
    assert excuse("IMG_1.heic", "s/IMG_1.jpeg", reason=HEIC)


def test_other_pictures_do_not() -> None:
    assert not excuse("ant/IMG_1.CR2", "s/bee/IMG_1.jpg")
    assert not excuse("ant/IMG_1.CR2", "t/ant/IMG_1.jpg")
    assert not excuse("ant/IMG_1.CR2", "s/ant/IMG_10.jpg", "s/ant.b/IMG_1.jpg")
    assert not excuse("ant/IMG_1.CR2")
    assert not excuse("ant/IMG_1.png", "s/ant/IMG_1.jpg", reason="broken: image file is truncated")
    assert not excuse("ant.c/IMG_1", "s/ant.jpg")


def make_photos(folder: Path, count: int) -> None:
    for number in range(count):
        tags = {254: 1, 271: "ACME"}
        save(photo(number, (12, 8)), folder / f"cat/{number}.NEF", format="TIFF", tiffinfo=tags)


def test_a_folder_of_raw_files_and_their_jpegs_holds_the_jpegs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a RAW file that has no JPEG among twenty that have one, that one alone is damage."""
    monkeypatch.setattr(fetch, "inspect_all", inspect_in_this_process)
    make_photos(tmp_path / "in", 21)
    for number in range(20):
        save(photo(number), tmp_path / f"in/cat/{number}.jpg")
    fetched = Fetched(tmp_path / "out").run(
        section([folder_source(tmp_path / "in")], checks__max_unreadable_fraction=0.05)
    )
    assert sorted(fetched.column("id")) == sorted(f"mine/cat/{number}.jpg" for number in range(20))
    assert [fetched.metrics[key] for key in ("rejected", "unreadable", "no_images")] == [21, 1, 20]
    [damage] = [row for row in fetched.read_findings("rejected") if row["should_be_image"] == "True"]
    assert (damage["path"], damage["reason"]) == ("mine/cat/20.NEF", CAMERA_RAW)


def test_a_folder_of_raw_files_alone_stops_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notes that lie before them are not the reason."""
    monkeypatch.setattr(fetch, "inspect_all", inspect_in_this_process)
    make_photos(tmp_path / "in", 3)
    (tmp_path / "in/cat/-notes.txt").write_text("notes")
    with pytest.raises(InputError) as stopped:
        Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "in")]))
    where = f"none of 4 files or rows in mine ({tmp_path / 'in'})"
    first = f"the first: mine/cat/0.NEF: {CAMERA_RAW}"
    assert str(stopped.value) == f"params.yaml: data.sources: no image in them: {where}; {first}"
