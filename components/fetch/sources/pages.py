"""Find the files of a folder on a web server, which has no folders: by the links on the pages that list them."""

import posixpath
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from components.fetch.sources.names import is_wanted
from components.fetch.sources.service import try_repeatedly


def list_links(system: Any, root: str, left_out: set[str]) -> Iterator[str]:
    """Yield the files in a web server's listing of a folder, and in those of the folders below it.

    Raises FileNotFoundError if the folder has no listing.
    """
    waiting, seen = [root], {root}
    while waiting:
        page = waiting.pop()
        try:
            links = try_repeatedly(lambda page=page: system.ls(page, detail=False), page)
        except FileNotFoundError:
            if page == root:
                raise
            yield page.rstrip("/")  # is listed as a file, which will be found missing
            continue
        for link in map(normalise_link, links):
            if link.startswith(root) and link not in seen:
                seen.add(link)
                if not is_wanted(unquote(link.removeprefix(root)), root.rstrip("/"), left_out):
                    continue
                if link.endswith("/"):
                    waiting.append(link)
                else:
                    yield link


def normalise_link(link: str) -> str:
    """Return the normalised link; an empty text if it only shows the listing in another way (`?C=M;O=D`)."""
    try:
        parts = urlsplit(unescape(link))
    except ValueError:
        return ""
    path = posixpath.normpath(parts.path) + ("/" if parts.path.endswith("/") and parts.path != "/" else "")
    return "" if parts.query else f"{parts.scheme}://{parts.netloc}{quote(unquote_to_bytes(path))}"
