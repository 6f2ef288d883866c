"""A Parquet file that was changed in any place says so, and one that was written without a seal is read as it is."""

import gc
import random
import resource
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.stage.disk import DiskError
from components.stage.errors import InputError
from components.store.sealed import SEAL, SealedWriter, open_sealed, read_metadata, write_sealed
from components.store.store import SPLITS, Store
from tests.small import decode_images, fill_store, make_grays

COLUMNS = {"id": pa.string(), "label": pa.int64()}
TABLE = pa.table({"id": [f"image {n}" for n in range(60)], "label": range(60)}).replace_schema_metadata(
    {"names": "ant, bee"}
)


def write(path: Path) -> Path:
    writer = SealedWriter(path, TABLE.schema, compression="none")
    for first in range(0, 60, 20):
        writer.write(TABLE.slice(first, 20))
    writer.close()
    return path


def read(path: Path) -> tuple[pa.Table, bytes | None]:
    with open_sealed(path, COLUMNS, "fetch") as file:
        return file.read(), read_metadata(file).get(b"names")


def test_no_flipped_bit_gives_other_rows_or_other_names(tmp_path: Path) -> None:
    """Parquet's own checksums leave out the footer, where the names of classes stand."""
    path = write(tmp_path / "a.parquet")
    whole, draws, noticed = path.read_bytes(), random.Random(0), 0
    for _ in range(600):
        content = bytearray(whole)
        content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
        path.write_bytes(content)
        said = ""
        try:
            table, names = read(path)
            assert table.equals(TABLE)
            assert names in (None, b"ant, bee")
        except InputError as error:
            said = str(error)
        if said:
            noticed += 1
            assert said.startswith(f"{path}: ")
            assert "`dvc repro fetch` writes it" in said
            assert "\n" not in said
    assert noticed > 300


def test_a_file_by_another_program_is_read_without_a_seal(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0].equals(TABLE)


def test_a_file_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    """Predictions of one probe have the columns of another's."""
    write_sealed(tmp_path / "a.parquet", TABLE)
    (tmp_path / "a.parquet").rename(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: it was written as a\.parquet"):
        read(tmp_path / "b.parquet")


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a.parquet", TABLE)
    first = (tmp_path / "a.parquet").read_bytes()
    write_sealed(tmp_path / "a.parquet", TABLE)
    assert (tmp_path / "a.parquet").read_bytes() == first
    assert SEAL in read_metadata(pq.ParquetFile(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (TABLE.drop_columns(["label"]), "no column label"),
        (TABLE.set_column(1, "label", pa.array(["x"] * 60)), "the column label is string, not int64"),
    ],
)
def test_other_columns_are_named(table: pa.Table, reason: str, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=f"a.parquet: {reason}"):
        read(tmp_path / "a.parquet")


def test_a_store_that_lost_its_last_shard_is_not_a_smaller_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder trained on half of the images would look like any other."""
    monkeypatch.setattr("components.store.store.GROUP_ROWS", 2)
    monkeypatch.setattr("components.store.store.SHARD_BYTES", 1)
    shards = fill_store(tmp_path, make_grays(8)).shards
    assert len(shards) == 4
    for shard in (shards[-1], shards[1]):
        whole = shard.read_bytes()
        shard.unlink()
        with pytest.raises(InputError, match="a shard is missing; `dvc repro fetch`"):
            Store(tmp_path)
        shard.write_bytes(whole)
    assert len(Store(tmp_path).read_labels(SPLITS)) == 8


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ODD: dict[str, tuple[str, pa.Array, str]] = {
    "no class": ("label", pa.array([7] * 4), "a label that is the number of none of the 3 classes"),
    "no bytes": ("image", pa.array([{"bytes": None, "path": ""}] * 4, IMAGE), "an image without bytes"),
    "no image": ("image", pa.array([{"bytes": b"\x89PNG...", "path": ""}] * 4, IMAGE), "an image cannot be decoded"),
}


@pytest.mark.parametrize("how", ODD)
def test_what_the_columns_hold_is_checked_where_it_is_used(how: str, tmp_path: Path) -> None:
    store, (name, column, reason) = fill_store(tmp_path, make_grays(4)), ODD[how]
    table = pq.read_table(store.shards[0])
    pq.write_table(table.set_column(table.column_names.index(name), name, column), store.shards[0])
    uses: list[Callable[[], object]] = [lambda: Store(tmp_path).read_labels(SPLITS)]
    uses += [lambda: decode_images(Store(tmp_path), SPLITS)]
    with pytest.raises(InputError, match=reason):
        uses[name == "image"]()


@pytest.mark.filterwarnings("error")
def test_a_parquet_file_that_is_given_up_says_nothing_more(tmp_path: Path) -> None:
    """A writer that is collected writes again, and pytest makes an error of the trace of that."""
    table = pa.table({"a": [bytes(100_000)]})
    file = SealedWriter(tmp_path / "it.parquet.new", table.schema, compression="none")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(DiskError, match=r"it\.parquet: cannot be written: File too large; what"):
            file.write(table)
        file.give_up()
        del file
        gc.collect()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
