"""Spell the names of files and classes the same on every machine, and tell which names are left out on purpose.

Macs write "ö" as two characters (decomposed Unicode), Linux and Windows as one: here it is always one (NFC), so that a
copy of a folder has the same ids and classes wherever it lies. https://unicode.org/reports/tr15/
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from unicodedata import normalize

# What systems and programs keep among a user's files, in lower case: thumbnails, waste baskets, the like.
LEFT_OUT = frozenset(
    (
        "@eadir",
        "@synoresource",
        "@tmp",
        "@__thumb",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "~snapshot",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "__macosx",
        "lost+found",
        "lost.dir",
        "network trash folder",
        "temporary items",
        "_gsdata_",
        "__pycache__",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        ".ds_store",
        ".localized",
        "icon\r",
    )
)
# Folders of what Windows found on a damaged disk; files in Android's waste basket, or not yet whole; files that were
# deleted while a program had them open.
PATTERNS = re.compile(
    r"found\.\d{3}|\.(trashed|pending)-\d+-.*|\.fuse_hidden[0-9a-f]+|\.nfs[0-9a-f]{16,}", re.IGNORECASE
)


def compose(text: str) -> str:
    """Return the text in composed Unicode (NFC)."""
    return text if text.isascii() else normalize("NFC", text)


def compose_names(names: Sequence[str]) -> list[str]:
    r"""Return the escaped names of files in composed Unicode.

    Where a folder holds two names that then are the same, the decomposed name gets a part of its hash after a single
    backslash, which no escaped name has: `é.png` and `é\3f2c91ab.png`.
    """
    composed = [compose(name) for name in names]
    forms: dict[str, set[str]] = defaultdict(set)
    changed = {new for old, new in zip(names, composed, strict=True) if new != old}
    if not changed:
        return composed
    for old, new in zip(names, composed, strict=True):
        if new in changed:
            forms[new].add(old)
    return [
        _tell_apart(old, new) if new != old and len(forms[new]) > 1 else new
        for old, new in zip(names, composed, strict=True)
    ]


def _tell_apart(name: str, composed: str) -> str:
    suffix = PurePosixPath(composed).suffix
    return rf"{composed.removesuffix(suffix)}\{hashlib.sha256(name.encode()).hexdigest()[:8]}{suffix}"


def find_left_out(path: str) -> str | None:
    """Return the path up to the outermost part that is left out, or None if no part is."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if is_left_out(part, folder=number < len(parts) - 1):
            return "/".join(parts[: number + 1])
    return None


def is_wanted(path: str, url: str, left_out: set[str]) -> bool:
    """Whether a file of a source is to be read; if not, what is left out of its path is added to `left_out`."""
    unwanted = find_left_out(path)
    if unwanted is not None:
        left_out.add(f"{url}/{unwanted}")
    return unwanted is None


def is_left_out(name: str, *, folder: bool) -> bool:
    """Whether a file or folder of this name is left out. A hidden file may be an image; `._a.jpg` of a Mac is none."""
    hidden = re.match(r"\.(?!\.?$)", name) is not None if folder else name.startswith("._")
    return hidden or name.lower() in LEFT_OUT or PATTERNS.fullmatch(name) is not None
