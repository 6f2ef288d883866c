"""Read labels as names of classes: text as it is, whole numbers without a fraction, nothing where there is no label.

pandas writes a column of whole numbers with gaps as 0.0, 1.0 and nothing, so that 0.0 and 0 are the same class. A
column of text counts as numbers only if a program wrote each of them as a number: 007, 1.50 and 1e3 are names, and so
is all that stands beside them; 0,5 with a decimal comma is a number. Fractions, lists and structs are no classes and
are refused.
"""

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import types

from components.fetch.sources.candidate import escape_name
from components.fetch.sources.names import compose
from components.stage.errors import InputError

# What programs write in a column of numbers where a number is missing, in lower case.
MISSING = frozenset(("", "nan", "-nan", "na", "n/a", "#n/a", "<na>", "nat", "none", "null"))


def format_label(value: Any) -> str | None:
    """Return a class's name as text, or None; whole numbers lose their fraction: 3.0 becomes 3."""
    if isinstance(value, float | Decimal):
        value = None if math.isnan(value) else int(value) if is_whole(value) else value
    if isinstance(value, bytes):
        value = escape_name(value)
    return None if value is None else compose(str(value)).strip() or None


def is_whole(number: float | Decimal) -> bool:
    """Whether the number has no fraction."""
    return math.isfinite(number) and number == int(number)


def read_labels(values: list[Any], where: str, *, typed: bool) -> list[Any]:
    """Return a column's labels: names and whole numbers as text, or None.

    Of a typed file, text with a fraction is a name. Raises InputError, which begins with `where`, for other fractions.
    """
    if any(isinstance(value, str) for value in values):
        values = [format_label(value) for value in values]
        numbers = read_numbers({value for value in values if value is not None})
        if numbers is None or (typed and any(map(has_fraction, numbers.values()))):
            return values
        values = [None if value is None else numbers[value] for value in values]
    for row, value in enumerate(values, start=1):
        if has_fraction(value):
            fault = "has a fraction" if math.isfinite(value) else "is infinite"
            raise InputError(
                f"{where}: row {row}: label {value} {fault}; classes are whole numbers or names, such as x{value}"
            )
    return [format_label(value) for value in values]


def has_fraction(value: Any) -> bool:
    """Whether the value is a number that is neither whole nor missing."""
    return isinstance(value, float | Decimal) and not math.isnan(value) and not is_whole(value)


def read_numbers(texts: Iterable[str]) -> dict[str, float | int | None] | None:
    """Return the numbers that these texts stand for, None for missing ones; or None if a text was written as a name."""
    numbers = {text: None if text.lower() in MISSING else _read_number(text) for text in texts}
    written = (text.lower() in MISSING or number is not None for text, number in numbers.items())
    return numbers if all(written) else None


def _read_number(text: str) -> float | int | None:
    """Return the number if the text is how a program writes it, otherwise None; 0,5 is half of one."""
    pointed = text.replace(",", ".", 1)
    for kind in (int, float):
        try:
            if str(kind(pointed)) == pointed:
                return kind(pointed)
        except ValueError:
            continue
    return None


def check_label_type(kind: pa.DataType, where: str) -> None:
    """Check that a Parquet column can hold names of classes. Raises InputError, which begins with `where`."""
    plain = get_plain_type(kind)
    is_number = types.is_integer(plain) or types.is_floating(plain) or types.is_decimal(plain)
    if is_text(plain) or is_number or is_binary(plain) or types.is_boolean(plain) or types.is_null(plain):
        return
    raise InputError(
        f"{where} holds {plain} and not one label per image; write each class as text or as a whole number"
    )


def get_plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a Parquet column's values, which a dictionary may hold."""
    return kind.value_type if types.is_dictionary(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether a Parquet column of this type holds text."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Whether a Parquet column of this type holds bytes."""
    variable = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    return bool(variable or types.is_fixed_size_binary(kind))
