r"""Writes text from data so that Markdown shows it as it is: no HTML, link, image, emphasis or cell comes of it.

A backslash takes the meaning of punctuation, and HTML's entities stand for characters without their meaning
(https://spec.commonmark.org/0.31.2/, sections 2.4 and 2.5). GitHub also makes links of bare addresses
(https://github.github.com/gfm/#autolinks-extension-). What means nothing where it stands is left as it is, so that
`C_4 & 5` and `Acer (red)` can be read in the file, too.
"""

import re

from components.stage.shown import escape, shorten

LONGEST = 200
NUMBERS = re.compile(r"[-+\d., \[\]]+")
PUNCTUATION = re.compile(
    r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|^[-+=#]|(?<=^\d)[.)]"
)  # inside a word _ means nothing
ENTITIES = re.compile(r"[<>]|&(?=#?\w+;)")
ADDRESSES = re.compile(
    r"(?i)(?<=[a-z]):(?=//)|(?:(?<=script)|(?<=mailto)|(?<=xmpp)|(?<=data)|(?<=file)):|(?<=www)\.|(?<=\S)@(?=\S)"
)


def write_inert(text: str, longest: int = LONGEST) -> str:
    """Return text in one line that shows itself, in a line of Markdown or in a cell of a table."""
    text = escape(shorten(" ".join(text.split()), longest))
    if NUMBERS.fullmatch(text):
        return text
    text = PUNCTUATION.sub(r"\\\g<0>", text)
    return ADDRESSES.sub(_write_entity, ENTITIES.sub(_write_entity, text))


def write_code(text: str) -> str:
    """Return a name as code; one that has more than letters, digits and a little punctuation as plain text."""
    return f"`{text}`" if re.fullmatch(r"[\w./@ -]{1,200}", text) else write_inert(text)


def _write_entity(found: re.Match[str]) -> str:
    names = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return names.get(found[0], f"&#{ord(found[0])};")
