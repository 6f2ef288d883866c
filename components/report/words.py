"""Spells numbers with their nouns, and names so that they break between words and not inside them."""

import re
from collections.abc import Sequence

from markupsafe import Markup, escape


def fit(number: int, text: str) -> str:
    """Fit a text such as `test image(s)` or `class(es)` to a number: `test image` for 1, else `test images`."""
    return re.sub(r"\((e?s)\)", "" if number == 1 else r"\1", text)


def count(number: int, text: str) -> str:
    """Spell a number with its noun: `1 test image`, `1,349 test images`."""
    return f"{number:,} {fit(number, text)}"


def enumerate_words(words: Sequence[str], last: str = "and") -> str:
    """Join words as people do: `a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def shorten(name: str, letters: int) -> str:
    """Shorten a long name in its middle, so that its beginning and its end can be read."""
    return name if len(name) <= letters else f"{name[: letters - 6]}…{name[-5:]}"


def allow_breaks(name: str) -> Markup:
    """Return a name as HTML that may break after `_`, `-`, `/` and `.`, and elsewhere only at its spaces."""
    return Markup(re.sub(r"(?<=\w)[_\-/.]+(?=\w)", "\\g<0><wbr>", str(escape(name))))
