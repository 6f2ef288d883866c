"""Have the images changed since the champion was made? Told without a label: recorded, and held against a limit.

The champion's encoder embeds the new images of the challenger's store; its reference are the embeddings of its own run.
The test itself is `python -m components.drift`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pipelines.compare.differences import OURS
from pipelines.errors import Say, StageError
from pipelines.registry import worktree
from pipelines.train import process

MINUTES = 240.0
FILE = Path("drift.json")


def measure(judging: Path, theirs: Path, say: Say) -> dict[str, Any]:
    """`judging` has the champion's encoder and the challenger's store, `theirs` the champion's commit with its encoder.

    Raises StageError.
    """
    embeddings, encoder, store = (worktree.named_path(theirs, name) for name in ("embeddings", "encoder", "store"))
    worktree.bring(theirs, str(theirs / embeddings))
    flags = {
        "encoder": theirs / encoder,
        "reference": theirs / embeddings / f"{OURS}.parquet",
        "store": judging / store,
        "metrics": judging / FILE,
    }
    command = [sys.executable, "-m", "components.drift"]
    command += [part for flag, path in flags.items() for part in (f"--{flag}", str(path))]
    if status := process.run(command, cwd=judging, minutes=MINUTES, say=say):
        raise StageError("the drift of the images cannot be measured, see above", status)
    found: dict[str, Any] = json.loads((judging / FILE).read_text())
    return found
