"""Labels become classes as they were meant, wherever they are written; what is no class is refused in a line."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fetch.params import ParquetShards
from components.fetch.sources import parquet
from components.fetch.sources.labels import format_label, read_labels
from components.fetch.sources.places import Places
from components.fetch.sources.table import read_rows
from components.stage.errors import InputError
from tests.small import encode_png, make_grays

IMAGES = [encode_png(gray) for gray in make_grays(4)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["0.0", "1.0", "", "-1.0"], ["0", "1", None, "-1"]),  # pandas, of a column with gaps
        (["0", "1.0", "12"], ["0", "1", "12"]),
        (["0", "nan", "NaN", "None", "null", "<NA>", "N/A"], ["0", *[None] * 6]),
        (["nan", "None", ""], [None, None, None]),
        (["1e+16", "2.0"], ["10000000000000000", "2"]),
        (["007", "7", "07"], ["007", "7", "07"]),
        (["1.50", "2.0"], ["1.50", "2.0"]),  # no program writes 1.50
        (["1e3", "0.0"], ["1e3", "0.0"]),
        (["v1.5", "1.0"], ["v1.5", "1.0"]),
        (["None", "ant"], ["None", "ant"]),  # may be the name of a class
        (["1_000", "1000"], ["1_000", "1000"]),
        ([" ant ", "ant"], ["ant", "ant"]),
        ([normalize("NFD", "Köln"), "Köln"], ["Köln", "Köln"]),
    ],
)
def test_text_counts_as_numbers_only_where_a_program_wrote_all_of_it(
    texts: list[str], expected: list[str | None]
) -> None:
    assert read_labels(texts, "list.csv", typed=False) == expected


@pytest.mark.parametrize(("texts", "row"), [(["0.5", "1.0"], 1), (["3", "", "2.25"], 3)])
def test_fractions_in_csv_are_refused_in_a_line_that_says_what_is_right(texts: list[str], row: int) -> None:
    label = texts[row - 1]
    with pytest.raises(InputError) as error:
        read_labels(texts, "list.csv", typed=False)
    assert str(error.value) == (
        f"list.csv: row {row}: label {label} has a fraction; classes are whole numbers or names, such as x{label}"
    )


def test_text_of_a_typed_file_is_a_name_even_with_a_fraction() -> None:
    assert read_labels(["0.5", "1.0", None], "a.parquet", typed=True) == ["0.5", "1.0", None]
    assert read_labels(["0.0", "1.0", None], "a.parquet", typed=True) == ["0", "1", None]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (float("nan"), None),
        (Decimal("2.0"), "2"),
        (True, "True"),
        (b"\xff", r"\xff"),
    ],
)
def test_a_number_is_called_the_same_whatever_its_type(value: Any, name: str | None) -> None:
    assert format_label(value) == name


def test_what_pandas_writes_as_csv_and_as_parquet_has_the_same_classes(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": [0, None, 1]})
    table.to_csv(tmp_path / "a.csv", index=False)
    assert "0.0" in (tmp_path / "a.csv").read_text()
    table.to_parquet(tmp_path / "b.parquet")
    table.astype({"label": "Int64"}).to_csv(tmp_path / "c.csv", index=False)
    table.astype({"label": str}).to_parquet(tmp_path / "d.parquet")
    for name in ("a.csv", "b.parquet", "c.csv", "d.parquet"):
        assert [label for _, label, _ in read_rows(tmp_path / name, name)] == ["0", None, "1"], name


def read_column(tmp_path: Path, places: Places, column: Any) -> list[str | None]:
    pq.write_table(pa.table({"image": IMAGES[: len(column)], "label": column}), tmp_path / "a.parquet")
    params = ParquetShards(kind="parquet", name="p", url=str(tmp_path / "a.parquet"), image="image", label="label")
    return [image.label for image in parquet.read_candidates(params, parquet.list_files(params, places), places)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array([True, False, None]), ["True", "False", None]),
        (pa.array([Decimal(1), Decimal(2)]), ["1", "2"]),
        (pa.array([1.0, float("nan"), None, 2.0], pa.float32()), ["1", None, None, "2"]),
        (pa.nulls(2), [None, None]),
        (pa.array(["0.0", "1.0", None]), ["0", "1", None]),
        (pa.array(["0.0", "ant"]), ["0.0", "ant"]),
    ],
)
def test_columns_of_one_label_per_image_are_read(
    column: Any, expected: list[Any], tmp_path: Path, places: Places
) -> None:
    assert read_column(tmp_path, places, column) == expected


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[0, 2], [1]]),
        pa.array([{"id": 0, "name": "ant"}]),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([0], pa.timestamp("s")),
        pa.array([[0.1, 0.9]], pa.list_(pa.float32(), 2)),
    ],
)
def test_columns_that_hold_no_label_are_refused(column: Any, tmp_path: Path, places: Places) -> None:
    with pytest.raises(InputError) as error:
        read_column(tmp_path, places, column)
    kind = pq.read_schema(tmp_path / "a.parquet").field("label").type
    right = "and not one label per image; write each class as text or as a whole number"
    assert str(error.value) == f"{tmp_path}/a.parquet: column 'label' holds {kind} {right}"
    pq.write_table(pa.table({"path": ["a.png"] * len(column), "label": column}), tmp_path / "list.parquet")
    with pytest.raises(InputError) as error:
        read_rows(tmp_path / "list.parquet", "list.parquet")
    assert str(error.value) == f"list.parquet: column 'label' holds {kind} {right}"


def test_numbers_may_have_a_decimal_comma() -> None:
    assert read_labels(["0,0", "1,0", ""], "list.csv", typed=False) == ["0", "1", None]
    assert read_labels(["1,000", "2,5 kg"], "list.csv", typed=False) == ["1,000", "2,5 kg"]
    with pytest.raises(InputError, match=r"^list\.csv: row 2: label 0\.5 has a fraction; classes are"):
        read_labels(["0,0", "0,5"], "list.csv", typed=False)


def test_infinity_is_no_class() -> None:
    for values in (["1", "inf"], [1.0, float("inf")]):
        with pytest.raises(InputError, match=r"^a: row 2: label inf is infinite; classes are"):
            read_labels(values, "a", typed=False)


@pytest.mark.parametrize("column", [pa.array([0.0, 0.5]), pa.array([Decimal("0.0"), Decimal("0.5")])])
def test_fractional_numbers_are_refused_though_the_schema_names_classes(
    column: Any, tmp_path: Path, places: Places
) -> None:
    with pytest.raises(InputError, match=r"a\.parquet: column 'label': row 2: label 0\.5 has a fraction; classes are"):
        read_column(tmp_path, places, column)
