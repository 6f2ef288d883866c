"""Every row of a manifest is an image with its label and split, or a line that says why it is none."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fetch.params import Manifest
from components.fetch.sources import manifest
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.places import Places
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.conftest import Bucket, fill
from tests.fetch.servers import Site


def read_manifest(url: str | Path, places: Places) -> list[Candidate]:
    params = Manifest(kind="manifest", name="m", url=str(url))
    return list(manifest.read_candidates(params, manifest.list_files(params, places), places))


def write(folder: Path, text: str | bytes, name: str = "list.csv") -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def get_rows(images: list[Candidate]) -> list[tuple[str, str | None, str | None]]:
    assert [image.fault for image in images] == [None] * len(images)
    return [(image.path, image.label, image.split) for image in images]


def read_refusal(file: Path, places: Places) -> str:
    with pytest.raises(InputError) as error:
        read_manifest(file, places)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{file}: ")


def test_rows_keep_their_order_labels_and_splits(folder: Path, places: Places) -> None:
    fill(folder, "b.png", "a.png", "sub/c.png", "d.png")
    file = write(folder, "split,path,note,label\ntrain,b.png,x,dog\nval,sub/c.png,,cat\n,a.png,,\nUnlabeled,d.png,,\n")
    images = read_manifest(file, places)
    assert get_rows(images) == [
        ("b.png", "dog", TRAIN),
        ("sub/c.png", "cat", TEST),
        ("a.png", None, None),
        ("d.png", None, UNLABELLED),
    ]
    assert [image.id for image in images][:2] == ["m/b.png", "m/sub/c.png"]
    assert [Path(image.content).resolve() for image in images] == [folder / image.path for image in images]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,cat\n",
        "path, label\na.png, cat\n",  # by hand
        "\ufeffpath,label\r\na.png,cat\r\n\r\n",  # by a spreadsheet
        '"path","label"\n"a.png","cat"\n',
        "path,label\na.png ,cat ",
        "path,label,more\na.png,cat,1\n",
    ],
)
def test_csv_is_read_as_people_and_programs_write_it(text: str, folder: Path, places: Places) -> None:
    fill(folder, "a.png")
    assert get_rows(read_manifest(write(folder, text), places)) == [("a.png", "cat", None)]


def test_a_file_has_one_label_however_a_list_spells_its_place(folder: Path, places: Places) -> None:
    fill(folder, "a.png")
    for again in ("./a.png", f"../{folder.name}/a.png", f"{folder}/a.png"):
        file = write(folder, f"path,label\na.png,cat\n{again},dog\n")
        assert read_refusal(file, places) == f"row 2: {again} has the label dog, and in row 1 cat; an image has one"


def test_a_comma_that_is_not_quoted_is_not_read_as_another_path(folder: Path, places: Places) -> None:
    fill(folder, "a.png")
    with pytest.raises(InputError, match=r"row 2: more fields than columns; quote a field that has a comma"):
        read_manifest(write(folder, "path,label\na.png,cat\na,b.png,cat\n"), places)
    with pytest.raises(InputError, match=r"two columns 'label'"):
        read_manifest(write(folder, "path,label,label\na.png,cat,dog\n"), places)


def test_names_of_every_kind_are_found(folder: Path, places: Places) -> None:
    fill(folder, "a,b.png", 'say "hi".png', "two\nlines.png", "back\\slash.png", "ü.png")
    text = 'path\n"a,b.png"\n"say ""hi"".png"\n"two\nlines.png"\nback\\slash.png\nü.png\n'
    paths = [path for path, _, _ in get_rows(read_manifest(write(folder, text), places))]
    assert paths == ["a,b.png", 'say "hi".png', "two\nlines.png", r"back\\slash.png", "ü.png"]


def test_parquet_says_the_same_as_csv(folder: Path, places: Places) -> None:
    fill(folder, "a.png", "b.png", "c.png")
    table = pd.DataFrame(
        {"path": ["a.png", "b.png", "c.png"], "label": ["3", "1", None], "split": ["train", None, "test"]}
    )
    table.to_csv(folder / "list.csv", index=False)
    table.to_parquet(folder / "text.parquet")
    table.assign(label=table["label"].astype(float)).to_parquet(folder / "numbers.parquet")
    table.assign(path=[os.fsencode(path) for path in table["path"]]).to_parquet(folder / "bytes.parquet")
    expected = [("a.png", "3", TRAIN), ("b.png", "1", None), ("c.png", None, TEST)]
    for name in ("list.csv", "text.parquet", "numbers.parquet", "bytes.parquet"):
        assert get_rows(read_manifest(folder / name, places)) == expected, name


def test_files_may_be_anywhere(folder: Path, tmp_path: Path, places: Places, web: Site) -> None:
    fill(tmp_path, "up.png", "abs.png")
    web.files["w.png"] = b"<w.png>"
    file = write(
        folder, f"path\n../up.png\n{tmp_path}/abs.png\n{web.url}/w.png\nfile://{tmp_path}/abs.png\n./../up.png\n"
    )
    images = read_manifest(file, places)
    assert [path for path, _, _ in get_rows(images)] == file.read_text().splitlines()[1:]
    contents = [Path(image.content).read_bytes() for image in images]  # type: ignore[arg-type]
    assert contents == [b"<up.png>", b"<abs.png>", b"<w.png>", b"<abs.png>", b"<up.png>"]


def test_a_manifest_in_the_working_folder_is_found(
    folder: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, "a.png")
    write(folder, "path\na.png\n")
    monkeypatch.chdir(folder)
    assert get_rows(read_manifest("list.csv", places)) == [("a.png", None, None)]


@pytest.mark.parametrize("service", ["s3", "web"])
def test_a_manifest_behind_a_url_names_files_beside_it(
    service: str, places: Places, request: pytest.FixtureRequest
) -> None:
    store: Any = request.getfixturevalue("bucket" if service == "s3" else "web")
    names = ["a b.png", "a#1?.png", "sub/ü.png", "../up.png"]
    objects = {f"data/in/{name}".replace("in/../", ""): name.encode() for name in names}
    objects["data/in/list.csv"] = "\n".join(["path", *names, "none.png", *names]).encode()
    for key, content in objects.items():
        store.put(key, content) if isinstance(store, Bucket) else store.files.update({key: content})
    images = read_manifest(f"{store.url}/data/in/list.csv{'?signed=a/b' if service == 'web' else ''}", places)
    assert [image.path for image in images] == [*names, "none.png"]
    contents = [Path(image.content).read_bytes() for image in images[:4]]  # type: ignore[arg-type]
    assert contents == [name.encode() for name in names]
    assert [image.fault for image in images[4:]] == ["not there"]
    assert len(places.left_out) == 4, "rows that repeat a row"


def test_what_cannot_be_read_is_listed_with_its_label(folder: Path, places: Places) -> None:
    fill(folder, "a.png", "large.png")
    (folder / "large.png").write_bytes(b"x" * (places.max_bytes + 1))
    (folder / "folder").mkdir()
    names = ["a.png", "none.png", "a.png", "folder", "zero\0.png", "large.png"]
    images = read_manifest(write(folder, "path,label\n" + "".join(f"{name},cat\n" for name in names)), places)
    assert {(image.label, bool(image.fault) == (image.content == b"")) for image in images} == {("cat", True)}
    assert [(image.path, image.fault) for image in images] == [
        ("a.png", None),
        ("none.png", "not there"),
        ("folder", "not a file but a device, a pipe or a folder"),
        ("zero\0.png", "not there: no file has such a name"),
        ("large.png", "1,000,001 bytes are more than data.limits.max_bytes"),
    ]


def test_what_cannot_be_meant_is_one_line(folder: Path, places: Places) -> None:
    first = "; the first line must name the columns"
    right = "; save it as CSV in UTF-8"
    lines = {
        "file;label\na.png;cat\n": f"no column 'path'; its columns are file;label{first}",
        "# made by a tool\npath,label\n": f"no column 'path'; its columns are # made by a tool{first}",
        "": f"no column 'path'; its columns are none{first}",
        "path,split\na.png,train\n,train\n": "row 2: path is empty",
        "path,split\na.png,holdout\n": "row 1: split 'holdout' is none of train, training, test, testing, val, valid, "
        "validation, dev, unlabelled, unlabeled",
        b"path\n\xff.png\n": "not CSV in UTF-8: 'utf-8' codec can't decode byte 0xff in position 5: invalid start "
        f"byte{right}",
        'path\n"a.png\n': f"line 2: not CSV: unexpected end of data{right}",
    }
    for text, line in lines.items():
        assert read_refusal(write(folder, text), places) == line


def test_parquet_that_cannot_be_meant_is_one_line(folder: Path, places: Places) -> None:
    file = write(folder, b"path\na.png\n", "list.parquet")
    assert read_refusal(file, places).startswith("not Parquet, or damaged: ")
    pq.write_table(pa.table({"file": ["a.png"]}), file)
    assert read_refusal(file, places) == "no column 'path'; its columns are file"
    pq.write_table(pa.table({"path": [f"{number}.png" for number in range(2000)]}), file, compression="gzip")
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes(300) + content[400:])
    assert read_refusal(file, places).startswith("not Parquet, or damaged: ")


def test_an_empty_list_is_no_mistake_and_a_missing_one_is(folder: Path, places: Places) -> None:
    assert read_manifest(write(folder, "path,label\n"), places) == []
    assert read_refusal(folder / "none.csv", places) == (
        f"params.yaml: data.sources: {folder}/none.csv: not there; name a file"
    )


def test_rows_that_change_while_they_are_read_get_no_labels_of_others(folder: Path, places: Places) -> None:
    fill(folder, "a.png", "b.png")
    file = write(folder, "path,label\na.png,cat\nb.png,dog\n")
    params = Manifest(kind="manifest", name="m", url=str(file))
    listed = manifest.list_files(params, places)
    write(folder, "path,label\nb.png,dog\na.png,cat\n")
    with pytest.raises(InputError, match=r"list\.csv: has changed while it was read; run again"):
        list(manifest.read_candidates(params, listed, places))
