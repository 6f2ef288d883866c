"""Writes rows of labels/given.csv, and refuses what no row of a file that people edit can hold."""

import csv
import io
from collections.abc import Iterable

from components.stage.errors import InputError
from components.stage.shown import show

LONGEST = 4096  # characters of an id, a label or a name that can be given


def format_rows(rows: Iterable[list[str]]) -> bytes:
    """Write rows as lines of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def check_text(key: str, value: str) -> None:
    """Check that a value can stand in a row of a file that people edit. Raises InputError."""
    if len(value) > LONGEST:
        raise InputError(f"{key}: {show(value)}; it must have at most {LONGEST:,} characters")
    if any(sign in value for sign in "\r\n\0") or not is_text(value):
        raise InputError(f"{key}: {show(value)}; it must be one line of text")


def is_text(value: str) -> bool:
    """Whether a value can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
