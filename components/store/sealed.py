"""Parquet files that notice damage: every page has a checksum (CRC-32), and the footer has a seal of what it says.

Parquet's own checksums cover the pages and not the footer, in which the names of classes and columns and the numbers of
rows stand. The seal is the SHA-256 of these, under a key of the file's metadata. A file without checksums or seal, as
they were written before, is read as it is. https://parquet.apache.org/docs/file-format/data-pages/checksumming/
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.stage.disk import name_faults, write_beside
from components.stage.errors import InputError

SEAL, NAME = b"seal", b"name"  # keys of the metadata
ARROW = b"ARROW:schema"  # the key under which Arrow keeps the types of columns, with a copy of the other metadata


class SealedWriter:
    """Writes a file of row groups; the same tables give the same bytes."""

    def __init__(self, path: Path, schema: pa.Schema, *, compression: str) -> None:
        """Write to `path`, whose suffix `.new` is no part of the name that the file will have."""
        self.schema, self.rows = schema, list[int]()
        self.path = path.with_name(path.name.removesuffix(".new"))  # is said if the disk is full
        # Nothing checks statistics, and nothing reads them.
        options = {"compression": compression, "write_page_checksum": True, "write_statistics": False}
        with name_faults(self.path):
            self.file = pq.ParquetWriter(path, schema, **options)

    def write(self, table: pa.Table) -> None:
        """Write a table as one row group. Raises DiskError."""
        with name_faults(self.path):
            self.file.write_table(table.combine_chunks())  # chunks would change the pages
        self.rows.append(len(table))

    def close(self, about: Mapping[bytes, bytes] | None = None) -> None:
        """Seal and close the file; `about` is further metadata. Raises DiskError."""
        added = {NAME: self.path.name.encode(), **(about or {})}
        seal = make_seal(self.schema.names, {**(self.schema.metadata or {}), **added}, self.rows)
        with name_faults(self.path):
            self.file.add_key_value_metadata({**added, SEAL: seal})
            self.file.close()

    def give_up(self) -> None:
        """Close the file, whole or not.

        Otherwise pyarrow would try to write its last bytes once more when Python collects it, and print a trace.
        """
        with suppress(Exception):  # it has failed before
            self.file.close()
        self.file.is_open = False


def make_seal(names: list[str], about: Mapping[bytes, bytes], rows: list[int]) -> bytes:
    """Make the seal of the columns' names, the other metadata and the rows of each row group."""
    said = sorted((key.hex(), value.hex()) for key, value in about.items() if key not in (SEAL, ARROW))
    return hashlib.sha256(json.dumps([names, said, rows]).encode()).hexdigest().encode()


def write_sealed(path: Path, table: pa.Table) -> None:
    """Write a table of one row group as a whole or not at all. Raises DiskError; then the file of before is whole."""
    with write_beside(path) as new:
        writer = SealedWriter(new, table.schema, compression="snappy")
        try:
            writer.write(table)
            writer.close()
        finally:
            writer.give_up()


@contextmanager
def open_sealed(path: Path, columns: Mapping[str, pa.DataType | None], stage: str) -> Iterator[pq.ParquetFile]:
    """Open a file of that stage, and check its seal and the columns; a column's type may be any if it is None.

    Raises InputError, also for what turns out to be damaged while the file is read.
    """
    way = f"`dvc repro {stage}` writes it, `python -m pipelines.verify` says whether it is damaged"
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if fault := find_fault(file, columns, path.name):
                raise InputError(f"{path}: {fault}; {way}")
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: missing; `dvc repro {stage}` writes it") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read as Parquet ({reason}); {way}") from None


def find_fault(file: pq.ParquetFile, columns: Mapping[str, pa.DataType | None], called: str) -> str:
    """Find what is wrong with a file's footer; an empty text if nothing is."""
    schema, footer, about = file.schema_arrow, file.metadata, read_metadata(file)
    rows = [footer.row_group(group).num_rows for group in range(file.num_row_groups)]
    if SEAL in about and about[SEAL] != make_seal(schema.names, about, rows):
        return "damaged: its footer is not what was written"
    if (name := about.get(NAME, called.encode())) != called.encode():
        return f"it was written as {name.decode()}"
    for column, kind in columns.items():
        if column not in schema.names:
            return f"no column {column}"
        if kind is not None and schema.field(column).type != kind:
            return f"the column {column} is {schema.field(column).type}, not {kind}"
    return ""


def read_metadata(file: pq.ParquetFile) -> dict[bytes, bytes]:
    """Read the metadata of a file as its seal covers them; those of its Arrow schema are a copy, which it does not."""
    return dict(file.metadata.metadata or {})
