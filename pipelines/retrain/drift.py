"""Measures, without labels, whether the images have changed since the champion was made; the gate has a limit for it.

The champion's encoder embeds the new images of the challenger's store; the reference is the embeddings of its own run.
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


def measure_drift(trial_folder: Path, champion_folder: Path, say: Say) -> dict[str, Any]:
    """Measure the drift of the images. Raises StageError.

    `trial_folder` has the champion's encoder and the challenger's store; `champion_folder` is at the champion's commit,
    with its encoder.
    """
    embeddings, encoder, store = (
        worktree.read_named_path(champion_folder, name) for name in ("embeddings", "encoder", "store")
    )
    worktree.fetch_outputs(champion_folder, str(champion_folder / embeddings))
    flags = {
        "encoder": champion_folder / encoder,
        "reference": champion_folder / embeddings / f"{OURS}.parquet",
        "store": trial_folder / store,
        "metrics": trial_folder / FILE,
    }
    command = [sys.executable, "-m", "components.drift"]
    command += [part for flag, path in flags.items() for part in (f"--{flag}", str(path))]
    if status := process.run(command, cwd=trial_folder, minutes=MINUTES, say=say):
        raise StageError("the drift of the images cannot be measured, see above", status)
    report: dict[str, Any] = json.loads((trial_folder / FILE).read_text())
    return report
