"""A list finds its files though it spells them in another way than the disk, and says so where it finds none."""

from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote

import pytest

from components.fetch.sources.places import Places, to_local_path
from components.stage.errors import InputError
from tests.fetch.conftest import Bucket, fill
from tests.fetch.sources.test_manifest import get_rows, read_manifest, write


def decompose(text: str) -> str:
    return normalize("NFD", text)


@pytest.mark.parametrize(
    ("on_disk", "in_list"),
    [
        (decompose("Köln/é.png"), "Köln/é.png"),
        ("Köln/é.png", decompose("Köln/é.png")),
        (f"{decompose('Köln')}/é.png", "Köln/é.png"),
        (decompose("Köln/é.png"), decompose("Köln/é.png")),
    ],
)
def test_files_of_a_mac_are_found_by_a_list_of_linux_and_the_reverse(
    on_disk: str, in_list: str, folder: Path, places: Places
) -> None:
    fill(folder, on_disk)
    file = write(folder, f"path,label\n{in_list},Köln\n{folder}/{in_list},Köln\n")
    images = read_manifest(file, places)
    assert get_rows(images) == [("Köln/é.png", "Köln", None), (f"{folder}/Köln/é.png", "Köln", None)]
    assert {Path(image.content).read_bytes() for image in images} == {f"<{on_disk}>".encode()}  # type: ignore[arg-type]


def test_files_of_a_mac_are_found_in_a_bucket(bucket: Bucket, places: Places) -> None:
    bucket.put(decompose("ö.png"), b"x")
    bucket.put("list.csv", "path\nö.png\n".encode())
    assert get_rows(read_manifest(f"{bucket.url}/list.csv", places)) == [("ö.png", None, None)]


def test_a_list_of_windows_has_the_ids_of_one_of_linux(folder: Path, places: Places) -> None:
    fill(folder, "cat/a.png", "dog/é.png", "back\\slash.png")
    file = write(folder, "path\ncat\\a.png\ndog\\é.png\nback\\slash.png\n")
    paths = [path for path, _, _ in get_rows(read_manifest(file, places))]
    assert paths == ["cat/a.png", "dog/é.png", r"back\\slash.png"], "a name may have a backslash"


def test_a_file_url_is_read_by_its_standard(folder: Path, places: Places) -> None:
    fill(folder, "a b,c.png", "a%20b.png", "ü.png", "x/d.png")
    lines = [f"file://{folder}/a%20b%2Cc.png", f"file://{folder}/a%20b.png", f"file://localhost{folder}/x/d.png"]
    lines += [f"file://{quote(str(folder))}/%C3%BC.png", f"file:{folder}/ü.png", "a%20b.png"]
    images = read_manifest(write(folder, "\n".join(["path", *lines])), places)
    contents = [Path(image.content).read_bytes().decode() for image in images]  # type: ignore[arg-type]
    assert contents == ["<a b,c.png>", "<a%20b.png>", "<x/d.png>", "<ü.png>", "<ü.png>", "<a%20b.png>"]
    write(folder, "path\na%20b.png\nx/d.png\n", "my list.csv")
    assert len(get_rows(read_manifest(f"file://{folder}/my%20list.csv", places))) == 2
    (folder / "a b.png").touch()
    assert to_local_path(f"file://{folder}/a%20b.png") == f"{folder}/a b.png", "the standard's reading comes first"


def test_a_list_of_which_no_file_is_there_says_where_it_looked(
    folder: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, "img/a.png", "img/b.png")
    file = write(folder / "img", "path\nimg/a.png\nimg/b.png\n")
    with pytest.raises(InputError) as error:
        read_manifest(file, places)
    line = f"{file}: none of its 2 files is there, as img/a.png, looked for at {folder}/img/img/a.png; "
    assert str(error.value) == f"{line}paths are relative to the folder of the list"
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=r"of the list, and this one is relative to the working folder$"):
        read_manifest(file, places)


def test_a_row_that_repeats_a_row_is_left_out_and_one_that_says_something_else_is_refused(
    folder: Path, places: Places
) -> None:
    fill(folder, "a.png", "b.png")
    rows = "path,label,split\na.png,ant,train\nb.png,bee,\na.png,ant,train\n"
    assert get_rows(read_manifest(write(folder, rows), places)) == [("a.png", "ant", "train"), ("b.png", "bee", None)]
    assert len(places.left_out) == 1
    for said, line in (
        ("bee,train", "row 4: a.png has the label bee, and in row 1 ant; an image has one"),
        ("ant,test", "row 4: a.png has the split test, and in row 1 train; an image has one"),
        (",train", "row 4: a.png has the label none, and in row 1 ant; an image has one"),
    ):
        file = write(folder, f"{rows}a.png,{said}\n")
        with pytest.raises(InputError) as error:
            read_manifest(file, places)
        assert str(error.value) == f"{file}: {line}"
