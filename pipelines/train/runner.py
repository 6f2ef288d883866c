"""Brings one stage up to date: does nothing if DVC finds it unchanged, otherwise runs `dvc repro` of that stage alone.

Stages run one by one, because one `dvc repro` of many rolls back .gitignore entries of earlier stages when a later one
fails (dvc issue 11091), because each stage then has its own log, retries and time limit, and because two `dvc repro` at
the same time only work with `--single-item`.
"""

import re
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pipelines.errors import CANCELLED, TIMED_OUT, EndedError, LockedError, Say, StageError, TimeLimitError
from pipelines.train import busy, graph, process, wholeness
from pipelines.train.graph import Stage

UP_TO_DATE, RAN = "up to date", "ran"
LAST_LINES = 5  # of a failed command's output; they say why it failed
BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked")


class CommandRunner(Protocol):
    """Runs a command, as `process.run` or the `run` of a flow's `Processes` does."""

    def __call__(self, command: Sequence[str], *, cwd: Path, minutes: float, say: Say) -> int:
        """Run the command to its end and return the exit status."""


def bring_up_to_date(stage: Stage, root: Path, say: Say, run: CommandRunner = process.run) -> str:
    """Run the stage if anything it depends on has changed; return the outcome, UP_TO_DATE or RAN."""

    def attempt() -> str:
        if not graph.find_changes(root, stage.name):
            return UP_TO_DATE
        wholeness.check_inputs(root, stage.inputs)
        _reproduce(stage, root, say, run)
        return RAN

    try:
        return busy.wait_while_busy(attempt, say)
    except LockedError as error:
        raise StageError(f"{stage.name}: {error}", 1) from None


def _reproduce(stage: Stage, root: Path, say: Say, run: CommandRunner) -> None:
    """Run `dvc repro` of one stage. Raises StageError, or LockedError if another DVC process holds a lock."""
    statuses: list[int] = []
    busy_lines: list[str] = []
    last_lines = deque[str](maxlen=LAST_LINES)

    def pass_on(line: str) -> None:
        if match := re.search(r"exited with (-?\d+)$", line):
            statuses.append(int(match[1]))  # DVC exits with 255 whatever the stage's status was
        if BUSY.search(line):
            busy_lines.append(line)
        if line:
            last_lines.append(line)
            say(line)

    # --wait-for-lock: or a `dvc push` at the moment of saving would cost hours of training.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage.name]
    try:
        status = run(command, cwd=root, minutes=stage.minutes, say=pass_on)
    except TimeLimitError as error:
        raise StageError(f"{stage.name}: {error}", TIMED_OUT) from None
    except EndedError:
        raise StageError(f"{stage.name}: cancelled", CANCELLED) from None
    if status and busy_lines and not statuses:
        raise LockedError(busy_lines[-1])
    if status:
        raise StageError(f"{stage.name}: failed, see its output above", statuses[-1] if statuses else 1, last_lines)
