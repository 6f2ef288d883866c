"""Brings what comes from files and data into the form in which a terminal may have it: inert, and of bounded length.

A name or a value may hold line breaks, escape sequences that colour, clear or rename a terminal, or marks that turn the
direction of writing round; it may have a million characters. All that is printed goes through here.
"""

import reprlib
from typing import TextIO

from components.stage.secrets import mask

LONGEST = 120  # characters of a value that a message repeats
LONGEST_LINE = 2000
FEWEST_DIGITS = 30  # a whole number of more is counted, not shown: Python refuses to write those of 4,300


def escape(text: str, kept: str = "") -> str:
    r"""Return text in which all that does not print, but for the characters in `kept`, is an escape such as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape").decode() for char in text
    )


def shorten(text: str, most: int = LONGEST) -> str:
    """Return text as it is, or where it is long its beginning, its end and its length."""
    if len(text) <= most:
        return text
    return f"{text[: most - 10]}…{text[-10:]} ({len(text):,} characters)"


def show_name(name: object) -> str:
    """Return a name (a key, a file, a class) as a message may repeat it."""
    return escape(shorten(str(name)))


def show(value: object) -> str:
    """Return a value as a message may repeat it: text in quotation marks, anything else as Python spells it."""
    if isinstance(value, str):
        value = mask(value)  # before it is cut, as a password without its end is not found
        cut = repr(value[:LONGEST])
        return cut if len(value) <= LONGEST else f"{cut}… ({len(value):,} characters)"
    return escape(shorten(_repr.repr(value)))


class _Repr(reprlib.Repr):
    """Spells only the beginning of what is long or deep."""

    def repr_int(self, x: int, level: int) -> str:
        digits = int(abs(x).bit_length() * 0.30103) + 1
        return f"a number of about {digits:,} digits" if digits > FEWEST_DIGITS else repr(x)


_repr = _Repr()


class InertStream:
    """A text stream whose reader is a terminal: only printable characters, line breaks and tabs reach it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text with everything else escaped."""
        return self.stream.write(escape(text, "\n\t"))

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)
