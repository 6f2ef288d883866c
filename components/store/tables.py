"""Writes Parquet files whose writer, when the disk is full, ends with one line and not with traces.

pyarrow's writer tries once more to write its last bytes when Python collects it, and what it meets then is printed as a
trace. So a file that failed is given up.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.stage.disk import name_faults, write_beside


class TableFile:
    """A Parquet file to which one row group after the other is added."""

    def __init__(self, written: Path, schema: pa.Schema, *, path: Path, **options: Any) -> None:
        """`written` is the file, and `path` where it will be in the end: that name is said if the disk is full."""
        self.path = path
        with name_faults(path):
            self.writer = pq.ParquetWriter(written, schema, **options)

    def add(self, group: pa.Table) -> None:
        """Write a table as one row group. Raises DiskError."""
        with name_faults(self.path):
            self.writer.write_table(group)

    def close(self) -> None:
        """Write what is left. Raises DiskError."""
        with name_faults(self.path):
            self.writer.close()

    def give_up(self) -> None:
        """Close the file, whole or not."""
        with suppress(Exception):  # it has failed before
            self.writer.close()
        self.writer.is_open = False


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as a whole file. Raises DiskError; then the file of before is whole."""
    with write_beside(path) as new:
        file = TableFile(new, table.schema, path=path)
        try:
            file.add(table)
            file.close()
        finally:
            file.give_up()
