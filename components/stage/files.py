"""Makes folders, and writes metrics files: JSON that Git can diff."""

import json
from pathlib import Path
from typing import Any

from components.stage.errors import InputError


def make_folder(folder: Path) -> None:
    """Make the folder of what will be written, before the work. Raises InputError if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: nothing can be written there: {error.strerror}; name a folder") from None


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, with one key per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
