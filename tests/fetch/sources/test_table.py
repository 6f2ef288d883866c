"""Lists are read as spreadsheets, tools and people write them, and what is no list is named for what it is."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fetch.sources.table import read_rows
from components.stage.errors import InputError

LIST = "path,label\na.png,ant\nb.png,bee\n"
ROWS = [("a.png", "ant", None), ("b.png", "bee", None)]


def read(tmp_path: Path, content: bytes | str, name: str = "list.csv") -> list[tuple[str, str | None, str | None]]:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(tmp_path / name, name)


@pytest.mark.parametrize(
    "content",
    [
        LIST.encode("utf-16"),  # PowerShell, and Excel's "Unicode text"
        LIST.encode("utf-8-sig"),
        LIST.replace(",", ";").encode(),  # a spreadsheet where the comma is the decimal point
        LIST.replace(",", "\t").encode("utf-16"),
        LIST.replace("\n", "\r").encode(),
        LIST.replace("\n", "\n\n").encode(),
        LIST.replace("path,label", "Path, LABEL ").encode(),
        LIST.replace("\n", ",,\n").replace("path,label,,", "path,label").encode(),  # empty fields at the end
        (LIST + ",,\n,\n  \n").encode(),  # and empty rows
        ("\n,,\n" + LIST).encode(),
        ("\ufeffsep=;\r\n" + LIST.replace(",", ";")).encode(),  # as Excel is told what divides the columns
        LIST.replace("path", ",path").replace("a.png", "0,a.png").replace("b.png", "1,b.png").encode(),  # pandas' index
    ],
)
def test_csv_of_every_origin_says_the_same(content: bytes, tmp_path: Path) -> None:
    assert read(tmp_path, content) == ROWS


def test_a_long_field_in_a_column_that_nobody_reads_is_no_hindrance(tmp_path: Path) -> None:
    mask = "1 2 " * 40_000  # Python's limit is 131,072 characters
    assert read(tmp_path, f"path,rle,label\na.png,{mask},ant\nb.png,{mask},bee\n") == ROWS


@pytest.mark.parametrize("column", ["par1", "lzip", "sqlite format 3"])
def test_a_column_that_is_called_like_a_kind_of_file_makes_no_other_file_of_a_list(column: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"{column},path,label\n1,a.png,ant\n2,b.png,bee\n") == ROWS


@pytest.mark.parametrize(
    ("header", "warning"),
    [
        ("path,Class,more", "no column 'label'; if 'Class' is meant, call it 'label'"),
        ("path,label,subset", "no column 'split'; if 'subset' is meant, call it 'split'"),
        ("path,label,class", None),
        ("path,size,more", None),
    ],
)
def test_columns_that_may_be_meant_for_labels_or_splits_are_named(
    header: str, warning: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text(f"{header}\na.png,ant,train\n")
    read_rows(tmp_path / "list.csv", "list.csv", warn=True)
    assert capsys.readouterr().out == (f"warning: list.csv: {warning}\n" if warning else "")


def test_a_broken_line_is_named_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^list\.csv: line 4: not CSV: ',' expected after '\"'; save it as CSV"):
        read(tmp_path, 'sep=,\npath,label\na.png,ant\nb.png,"a \\"b\\" c"\n')


def test_a_semicolon_in_a_list_with_commas_divides_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "path\na;b.png\n") == [("a;b.png", None, None)]


@pytest.mark.parametrize(
    ("content", "name", "line"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "list.csv", "a pointer of Git LFS and not the"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a.parquet", "a pointer of Git LFS and not the"),
        ("\n<!DOCTYPE HTML><title>Log in</title>", "list.csv", "a web page, perhaps of a login or an error"),
        (b"PK\3\4" + bytes(99), "list.csv", "a zip file, or a spreadsheet; an archive is kind: archive"),
        (b"\x1f\x8b" + bytes(99), "list.csv", "compressed by gzip; run `gunzip` on it"),
        (b"PAR1" + bytes(99), "list.csv", "a Parquet file; give it the suffix .parquet"),
        (b"PAR1" + bytes(99), "list.parquet", "not Parquet, or damaged: "),
    ],
)
def test_what_is_no_list_is_called_what_it_is(content: bytes | str, name: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, content, name)
    assert str(error.value).startswith(f"{name}: {line}")
    assert "\n" not in str(error.value)


def test_a_list_of_parquet_needs_paths_that_are_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"Path": ["a.png"], "Label": ["ant"]}), tmp_path / "a.parquet")
    assert read_rows(tmp_path / "a.parquet", "a.parquet") == ROWS[:1]
    pq.write_table(pa.table({"path": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"^a\.parquet: column 'path' holds int64; it must hold text$"):
        read_rows(tmp_path / "a.parquet", "a.parquet")
    twice = pa.Table.from_arrays([pa.array(["a.png"])] * 2, names=["path", "path"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"^a\.parquet: two columns 'path'$"):
        read_rows(tmp_path / "a.parquet", "a.parquet")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("https://host/a.png?X-Amz-Signature=S3CR", "holds a password or token"),
        ("https://user:S3CR@host/a.png", "holds a password or token"),
        ("https://host:99999/a.png", "its port is not a number from 1 to 65,535"),
    ],
)
def test_a_row_whose_url_holds_a_secret_is_named_and_not_repeated(path: str, fault: str, tmp_path: Path) -> None:
    """Ids and records are made of paths, and go into the store, the report and the remote."""
    with pytest.raises(InputError, match=rf"^list.csv: row 2: {fault}") as caught:
        read(tmp_path, f"path\na.png\n{path}\n")
    assert "S3CR" not in str(caught.value)
