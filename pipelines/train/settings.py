"""Reads params.yaml, checked as a whole, for flows, which must not import the types that check it."""

import json
import sys
from pathlib import Path
from typing import Any

from pipelines.errors import StageError
from pipelines.train import process


def read_settings(root: Path) -> dict[str, Any]:
    """Read every section. Raises StageError with the printed lines; its status is 2 if the user's input is wrong."""
    lines: list[str] = []
    command = [sys.executable, "-m", "components.stage", "--json"]
    status = process.run(command, cwd=root, minutes=1, say=lines.append)
    if status:
        raise StageError("\n".join(lines) or "params.yaml: cannot be checked", status)
    sections: dict[str, Any] = json.loads(lines[-1])  # warnings may come before the JSON
    return sections
