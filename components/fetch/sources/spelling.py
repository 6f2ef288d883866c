"""Find the file that a list names where the disk spells its name in another way.

A list typed on Linux has composed Unicode, the files of a Mac decomposed names, or the reverse; a list of Windows has
backslashes between its folders.
"""

import os
from pathlib import Path

from components.fetch.sources.names import compose


class Speller:
    """Finds files of this machine by names in another spelling; each folder is listed once at most."""

    def __init__(self) -> None:
        """Start without any folder listed."""
        self.folders: dict[str, dict[str, str]] = {}

    def find(self, path: str) -> str | None:
        """Return the path as the disk spells it, or None if there is no such file."""
        if os.path.lexists(path):
            return path
        if path.isascii():
            return None
        found = "/" if path.startswith("/") else "."
        for part in path.split("/"):
            if part and not os.path.lexists(f"{found}/{part}"):
                spelled = self._list_folder(found).get(compose(part))
                if spelled is None:
                    return None
                part = spelled  # noqa: PLW2901
            found = f"{found}/{part}" if part else found
        return found

    def _list_folder(self, folder: str) -> dict[str, str]:
        """Return the names in a folder by their composed form; none if it cannot be listed."""
        if folder not in self.folders:
            try:
                names = sorted(entry.name for entry in Path(folder).iterdir())
            except OSError:
                names = []
            self.folders[folder] = {compose(name): name for name in names}
        return self.folders[folder]
