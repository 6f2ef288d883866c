"""Brings names and values from params.yaml, metrics and Git into a form that a terminal or a page of Prefect may have.

The stages have their own (components/stage/shown.py, components/report/markdown.py): nothing here imports them.
"""

import re

LONGEST = 120
MEANINGFUL = re.compile(r"[<>&|`*~$\\\[\]]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?i:(?<=script)|(?<=data)|(?<=mailto)):")


def show(value: object) -> str:
    r"""Return a value as text in one line: escapes such as `\x1b` for what does not print, and its length if long."""
    text = str(value)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 10]}…{text[-10:]} ({len(text):,} characters)"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def write_inert(value: object) -> str:
    """Return a value as Markdown that shows it: entities stand for what has a meaning there (CommonMark, 2.5)."""
    return MEANINGFUL.sub(lambda found: f"&#{ord(found[0])};", show(value))
