"""Keeps the labels that people give, in a CSV file that Git diffs and a spreadsheet opens.

Rows are appended and never changed, so that the hundred-thousandth label takes as long to give as the first, and so
that the file tells who gave which label when. A label is acknowledged only when its row is on the disk: the file is
synchronised (fsync), and so is its folder once the file is new. A row that a kill or a full disk cut off was not
acknowledged; readers leave it out, and the next row takes its place. One process at a time appends; readers need not
wait. A file that a spreadsheet has written in its own way is put into the page's form as a whole, before the first row
is appended.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from components.fetch.given_disk import append_or_undo, sign, synchronise
from components.fetch.given_rows import (
    BEGINNING,
    COLUMNS,
    Dialect,
    Row,
    format_time,
    parse_time,
    read_dialect,
    read_portion,
    split_fields,
    to_utf8,
)
from components.fetch.given_written import check_text, format_rows
from components.fetch.sources.labels import format_label
from components.fetch.sources.names import compose
from components.stage.disk import name_faults, write_beside
from components.stage.errors import InputError
from components.stage.shown import escape, show

FILE = "given.csv"
WAIT = 0.001  # seconds after which a lock that another process holds is tried again
KEPT = "the labels given before are whole, this one is not given"


class GivenLabels:
    """The labels that people gave, in a folder; threads may share an object, and processes a folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._lock, self._guard = FileLock(folder / f"{FILE}.lock", poll_interval=WAIT), threading.Lock()
        self._forget()

    def read(self) -> dict[str, Row]:
        """Return the label of every image that has one, in the order in which the images first got one.

        Raises InputError with the line that cannot be understood.
        """
        with self._guard:
            self._refresh()
            return {name: row for name, (_, row) in self._newest.items() if row.label}

    def give(self, id: str, label: str, who: str) -> Row:
        """Give an image a label, in place of the one it has; when this returns, nothing loses the label.

        Raises InputError for what no row can hold, or DiskError; then the image has the label of before.
        """
        name = format_label(label)
        if not name:
            raise InputError("label: empty; it must be the name of a class")
        with self._append_to() as descriptor:
            return self._append(descriptor, id, name, who)

    def undo(self, id: str, who: str = "") -> bool:
        """Take back the label of an image, so that its source's label holds again; return whether it had one."""
        with self._append_to() as descriptor:
            _, row = self._newest.get(compose(id).strip(), (None, None))
            if row is None or not row.label:
                return False
            self._append(descriptor, id, "", who)
            return True

    def describe_cut(self) -> list[str]:
        """Describe the row at the end of the file that was cut off and is left out; nothing if there is none."""
        where = f"{self.file}: line {self._lines + 1}"
        return [f"{where}: {show(self._cut)} was cut off before it was given, and is left out"] if self._cut else []

    def describe_others(self) -> list[str]:
        """Describe the tables beside the file, in which somebody may have meant to give labels."""
        others = sorted(path for path in self.file.parent.glob("*.csv") if path != self.file)
        return [f"warning: {escape(str(path))}: not read; given labels stand in {FILE} beside it" for path in others]

    def _forget(self) -> None:
        """Know nothing of the file."""
        self._signature: tuple[int, ...] | None = None
        self._bytes = bytearray()  # of the file, up to the end of its last whole row
        self._dialect = Dialect(",", (), 0, 0, plain=False)
        self._lines, self._cut = 0, ""
        self._newest: dict[str, tuple[datetime, Row]] = {}  # by id, with the time by which the newest row is known
        self._latest = BEGINNING

    def _refresh(self) -> None:
        """Learn what is in the file; of a file that has only grown, the new rows alone are parsed."""
        try:
            with self.file.open("rb") as file:
                signature = sign(file.fileno())
                if signature == self._signature:
                    return
                data = file.read()
        except FileNotFoundError:
            self._forget()
            return
        except OSError as error:
            raise InputError(f"{self.file}: cannot be read: {error.strerror}; it must be a CSV file") from None
        if not (self._dialect.plain and data.startswith(self._bytes)):
            self._forget()
            data = to_utf8(data, str(self.file))
            self._dialect = read_dialect(data, str(self.file))
            self._bytes, self._lines = bytearray(data[: self._dialect.start]), self._dialect.line
        self._learn(data[len(self._bytes) :])
        self._signature = signature

    def _learn(self, data: bytes) -> None:
        """Learn the rows that follow those that are known."""
        portion = read_portion(data, self._dialect, self._lines, str(self.file))
        for record in portion.records:
            time = record.time or self._latest
            self._latest = max(self._latest, time)
            before = self._newest.get(record.row.id)
            if before is None or before[0] <= time:
                self._newest[record.row.id] = (time, record.row)
        self._bytes += data[: portion.end]
        self._lines, self._cut = self._lines + portion.lines, portion.cut

    @contextmanager
    def _append_to(self) -> Iterator[int]:
        """Yield the descriptor of the file, which can be appended to and whose rows are known, while no other appends.

        Raises DiskError.
        """
        folder = self.file.parent
        with self._guard, name_faults(self.file, KEPT):
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
                synchronise(folder.parent)
            with self._lock:
                self._refresh()
                if not self._dialect.plain:
                    self._rewrite()
                descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND)
                try:
                    yield descriptor
                finally:
                    os.close(descriptor)

    def _append(self, descriptor: int, name: str, label: str, who: str) -> Row:
        name, who = compose(name).strip(), who.strip()
        for key, value in {"id": name, "label": label, "who": who}.items():
            check_text(key, value)
        if not name:
            raise InputError("id: empty; it must be the id of an image")
        # Not before the row that it replaces, however the clocks of two machines differ.
        time = max(datetime.now(UTC), self._newest.get(name, (BEGINNING, None))[0])
        row = Row(name, label, who, format_time(time))
        fields = [row.id, row.label, row.who, row.when]
        added = format_rows([fields + [""] * (len(self._dialect.header) - len(COLUMNS))])
        if not self._bytes.endswith((b"\n", b"\r")):
            added = b"\n" + added
        for line in self.describe_cut():
            print(f"{line}: removed", file=sys.stderr, flush=True)
        append_or_undo(descriptor, added, len(self._bytes))
        self._bytes += added
        self._lines, self._cut = self._lines + added.count(b"\n"), ""
        known = parse_time(row.when) or time  # as other readers will know it
        self._newest[name] = (known, row)
        self._latest = max(self._latest, known)
        self._signature = sign(descriptor)
        return row

    def _rewrite(self) -> None:
        """Write the file in the form to which rows can be appended, with every row and every column that it has."""
        rows = list(self._list_fields())
        with write_beside(self.file.resolve()) as new, new.open("wb") as file:
            file.write(format_rows(rows))
            file.flush()
            os.fsync(file.fileno())
        synchronise(self.file.parent)
        self._forget()
        self._refresh()

    def _list_fields(self) -> Iterator[list[str]]:
        """Yield the header and the rows of a file in any form, with the columns of the page first."""
        header = self._dialect.header
        others = [place for place, column in enumerate(header) if column not in COLUMNS]
        yield [*COLUMNS, *(header[place] for place in others)]
        for fields in split_fields(bytes(self._bytes), self._dialect):
            filled = [*fields, *[""] * (len(header) - len(fields))]
            known = [filled[header.index(column)] if column in header else "" for column in COLUMNS]
            yield [*known, *(filled[place] for place in others)]
