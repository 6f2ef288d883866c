"""params.yaml as the stages read it, checked as a whole, for flows, which must not import the types that check it."""

import json
import sys
from pathlib import Path
from typing import Any

from pipelines.errors import StageError
from pipelines.train import process


def read(root: Path) -> dict[str, Any]:
    """Every section. Raises StageError with the lines that were said, and status 2 where the user's input is wrong."""
    said: list[str] = []
    command = [sys.executable, "-m", "components.stage", "--json"]
    status = process.run(command, cwd=root, minutes=1, say=said.append)
    if status:
        raise StageError("\n".join(said) or "params.yaml: cannot be checked", status)
    found: dict[str, Any] = json.loads(said[-1])  # a warning may stand before it
    return found
