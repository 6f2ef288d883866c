"""One stage brought up to date: nothing where DVC finds it unchanged, otherwise `dvc repro` of that stage alone.

Stage by stage, because one `dvc repro` of many rolls back .gitignore entries of earlier stages when a later one fails
(dvc issue 11091), because each then has its own log, retries and time limit, and because two `dvc repro` at the same
time only work with `--single-item`.
"""

import re
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pipelines.errors import CANCELLED, TIMED_OUT, EndedError, LockedError, Say, StageError, TimeLimitError
from pipelines.train import graph, process
from pipelines.train.graph import Stage

UP_TO_DATE, RAN = "up to date", "ran"
BUSY_SECONDS = 60.0  # that another DVC may hold what a stage needs; it holds it for moments, unless it moves data
LAST_LINES = 5  # of what fails, which say why
BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked")


class Run(Protocol):
    """`process.run`, or that of a flow's `Processes`."""

    def __call__(self, command: Sequence[str], *, cwd: Path, minutes: float, say: Say) -> int:
        """Run to the end and return the exit status."""


def bring_up_to_date(stage: Stage, root: Path, say: Say, run: Run = process.run) -> str:
    """Run the stage if anything it depends on has changed; say what came of it."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if not graph.changes(root, stage.name):
                return UP_TO_DATE
            _reproduce(stage, root, say, run)
            return RAN
        except LockedError as error:
            if time.monotonic() > until:
                raise StageError(f"{stage.name}: {error}", 1) from None
            say("another DVC is at work here; waiting for it")
            time.sleep(1)


def _reproduce(stage: Stage, root: Path, say: Say, run: Run) -> None:
    statuses: list[int] = []
    busy: list[str] = []
    last = deque[str](maxlen=LAST_LINES)

    def pass_on(line: str) -> None:
        if found := re.search(r"exited with (-?\d+)$", line):
            statuses.append(int(found[1]))  # DVC's own exit status is 255 whatever the stage's was
        if BUSY.search(line):
            busy.append(line)
        if line:
            last.append(line)
            say(line)

    # Waits for the lock, or hours of training were lost because of somebody's `dvc push` in the moment of saving.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage.name]
    try:
        status = run(command, cwd=root, minutes=stage.minutes, say=pass_on)
    except TimeLimitError as error:
        raise StageError(f"{stage.name}: {error}", TIMED_OUT) from None
    except EndedError:
        raise StageError(f"{stage.name}: cancelled", CANCELLED) from None
    if status and busy and not statuses:
        raise LockedError(busy[-1])
    if status:
        raise StageError(f"{stage.name}: failed, see its output above", statuses[-1] if statuses else 1, last)
