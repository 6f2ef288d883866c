"""Reads labels/given.csv: a row for every label that a person gave or took back, as the page or a spreadsheet wrote it.

The columns are id, label, who and when; the first two must be there, and others are kept but not read. A row with an
empty label takes back the label of this id. Of several rows with one id the newest holds, so that sorting the file in a
spreadsheet changes nothing; a row without a time counts as given right after all rows above it.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from components.fetch.sources.labels import format_label
from components.fetch.sources.names import compose
from components.stage.errors import InputError
from components.stage.shown import escape, shorten, show

COLUMNS = ("id", "label", "who", "when")
HEADER = ",".join(COLUMNS)
BEGINNING = datetime.min.replace(tzinfo=UTC)
DELIMITERS = (",", ";", "\t")
ADVICE = "save it as CSV in UTF-8"
QUOTED = "a field that has a comma must stand in quotation marks"
EXAMPLE = "2026-05-31T14:05:00Z"
FIELD = 2**31 - 1  # characters of a field; Python's own limit is 131,072


@dataclass(frozen=True, slots=True)
class Row:
    """A label that a person gave to an image; without a label, the person took it back."""

    id: str
    label: str  # the name of a class
    who: str
    when: str  # ISO 8601, UTC; empty if a hand-written row does not tell


@dataclass(frozen=True, slots=True)
class Record:
    """A row as it stands in the file."""

    row: Row
    time: datetime | None
    line: int  # the number of its last line


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    delimiter: str
    header: tuple[str, ...]  # the names of the columns in lower case; empty if there is nothing in the file
    start: int  # bytes before the first row
    line: int  # number of lines before the first row
    plain: bool  # whether rows can be appended as the page writes them


@dataclass(frozen=True)
class Portion:
    """The rows in some bytes of a file."""

    records: list[Record]
    end: int  # bytes up to the end of the last whole row
    lines: int
    cut: str  # what follows the last whole row: a row that a kill or a full disk cut off


def to_utf8(data: bytes, name: str) -> bytes:
    """Return the bytes of a file in UTF-8, with its mark, also if Windows wrote it in UTF-16. Raises InputError."""
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return data
    try:
        return data.decode("utf-16").encode("utf-8-sig")
    except UnicodeError as error:
        raise InputError(f"{name}: not text in UTF-16 as its first bytes say: {error}; {ADVICE}") from None


def read_dialect(data: bytes, name: str) -> Dialect:
    """Read from its first lines how a file is written, whose bytes are UTF-8. Raises InputError."""
    start = 0
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        start += len(line)
        text = _decode(line, name, number).lstrip("\ufeff")
        if text.strip(" ,;\t\r\n") and not re.match(r'"?sep=', text, re.IGNORECASE):
            break
    else:
        return Dialect(",", (), len(data), 0, plain=False)
    columns = {mark: _split_header(text, mark) for mark in DELIMITERS}
    delimiter = next((mark for mark in DELIMITERS if "id" in columns[mark]), ",")
    header = columns[delimiter]
    _check_columns(header, f"{name}: line {number}")
    is_plain = header[: len(COLUMNS)] == COLUMNS and data.startswith(f"{','.join(header)}\n".encode())
    return Dialect(delimiter, header, start, number, plain=is_plain)


def read_portion(data: bytes, dialect: Dialect, line: int, name: str) -> Portion:
    """Read the rows in `data`, which stand below the given number of lines. Raises InputError for one that is wrong."""
    csv.field_size_limit(FIELD)
    fed_bytes, fed_lines, end, lines = 0, 0, 0, 0

    def feed() -> Iterator[str]:
        nonlocal fed_bytes, fed_lines
        for text in data.splitlines(keepends=True):
            fed_bytes, fed_lines = fed_bytes + len(text), fed_lines + 1
            yield _decode(text, name, line + fed_lines)

    reader = csv.reader(feed(), delimiter=dialect.delimiter, strict=True, skipinitialspace=True)
    records: list[Record] = []
    may_be_cut = dialect.plain and not data.endswith((b"\n", b"\r"))
    while end < len(data):
        try:
            fields = next(reader)
            if may_be_cut and fed_bytes == len(data) and not _is_whole(fields, dialect):
                break
            is_header = tuple(field.strip().lower() for field in fields) == dialect.header  # of files put together
            if any(map(str.strip, fields)) and not is_header:  # a spreadsheet ends with empty rows
                records.append(_parse(fields, dialect, name, line + fed_lines))
        except (InputError, csv.Error) as error:
            if may_be_cut and fed_bytes == len(data):
                break
            if isinstance(error, InputError):
                raise
            raise InputError(f"{name}: line {line + fed_lines}: not CSV: {error}; {ADVICE}") from None
        end, lines = fed_bytes, fed_lines
    return Portion(records, end, lines, data[end:].decode("utf-8", "backslashreplace"))


def split_fields(data: bytes, dialect: Dialect) -> Iterator[list[str]]:
    """Yield the fields of every row that is not empty, of a file that could be read."""
    text = io.StringIO(data[dialect.start :].decode(), newline="")
    for fields in csv.reader(text, delimiter=dialect.delimiter, strict=True, skipinitialspace=True):
        if any(map(str.strip, fields)):
            yield fields


def parse_time(text: str) -> datetime | None:
    """Return the time that a text in ISO 8601 names, in UTC where it names no zone; None for other texts."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """Write a time as the column `when` has it."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _decode(data: bytes, name: str, line: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: line {line}: not text in UTF-8 ({error.reason}); {ADVICE}") from None


def _split_header(text: str, delimiter: str) -> tuple[str, ...]:
    """Return the names of the columns in lower case, if this sign divides them."""
    return tuple(column.strip().lower() for column in next(csv.reader([text], delimiter=delimiter), []))


def _check_columns(columns: tuple[str, ...], where: str) -> None:
    """Check that the columns id and label are there, and no column twice. Raises InputError."""
    for column in COLUMNS:
        if columns.count(column) > 1:
            raise InputError(f"{where}: two columns '{column}'; the first line must be {HEADER}")
        if column in COLUMNS[:2] and column not in columns:
            shown = escape(shorten(", ".join(columns), 200))
            raise InputError(f"{where}: no column '{column}'; the first line must be {HEADER}, not {shown}")


def _is_whole(fields: list[str], dialect: Dialect) -> bool:
    """Whether the last row of a file, which has no end of line, is as long as the page writes it."""
    return len(fields) == len(dialect.header) and fields[3].endswith("Z") and parse_time(fields[3]) is not None


def _parse(fields: list[str], dialect: Dialect, name: str, line: int) -> Record:
    where, header = f"{name}: line {line}", dialect.header
    if any(map(str.strip, fields[len(header) :])):  # empty fields at the end are a spreadsheet's
        counts = f"{len(fields)} fields where the first line has {len(header)}"
        raise InputError(f"{where}: {counts}; {QUOTED}")
    if len(fields) <= max(map(header.index, COLUMNS[:2])):
        raise InputError(f"{where}: {show(fields[0])} alone; a row must be {HEADER}, where an empty label means none")
    by_column = dict(zip(header, fields, strict=False))
    image, label = compose(by_column["id"]).strip(), format_label(by_column["label"]) or ""
    who, when = by_column.get("who", "").strip(), by_column.get("when", "").strip()
    if not image:
        raise InputError(f"{where}: the id is empty; it must be the id of an image, such as digits/0001.png")
    time = parse_time(when) if when else None
    if when and time is None:
        raise InputError(f"{where}: when is {show(when)}; it must be a time such as {EXAMPLE}, or empty; {QUOTED}")
    written = format_time(time) if time else ""
    return Record(Row(image, label, who, written), parse_time(written), line)
