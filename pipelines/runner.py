"""One stage brought up to date: nothing where DVC finds it unchanged, otherwise `dvc repro` of that stage alone.

Stage by stage, because one `dvc repro` of many rolls back .gitignore entries of earlier stages when a later one fails
(dvc issue 11091), and because each then has its own log, retries and time limit.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from pipelines import graph, process
from pipelines.graph import Stage

UP_TO_DATE, RAN = "up to date", "ran"
USER_ERROR = 2  # exit status of a stage whose input is wrong: a retry cannot help


class StageError(Exception):
    """A stage failed; `status` is its exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def check_parameters(root: Path, say: Callable[[str], None]) -> None:
    """Check all of params.yaml before the first second of work. Raises StageError with status 2."""
    status = process.run([sys.executable, "-m", "components.stage"], cwd=root, minutes=1, say=say)
    if status:
        raise StageError("params.yaml: see above", status)


def bring_up_to_date(stage: Stage, root: Path, say: Callable[[str], None]) -> str:
    """Run the stage if anything it depends on has changed; say what came of it."""
    if not graph.changes(root, stage.name):
        return UP_TO_DATE
    statuses: list[int] = []

    def pass_on(line: str) -> None:
        if found := re.search(r"exited with (-?\d+)$", line):
            statuses.append(int(found[1]))  # DVC's own exit status is 255 whatever the stage's was
        if line:
            say(line)

    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage.name]
    try:
        status = process.run(command, cwd=root, minutes=stage.minutes, say=pass_on)
    except process.TimeLimitError as error:
        raise StageError(f"{stage.name}: {error}", 1) from None
    if status:
        raise StageError(f"{stage.name}: failed, see its output above", statuses[-1] if statuses else 1)
    return RAN
