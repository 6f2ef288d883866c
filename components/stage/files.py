"""Writes text files as a whole, among them metrics: JSON that Git can diff."""

import json
from pathlib import Path
from typing import Any

from components.stage.disk import write_beside


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, with one key per line. Raises DiskError; then the file of before is whole."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8. Raises DiskError; then the file of before is whole."""
    with write_beside(path) as new:
        new.write_text(text, encoding="utf-8")
