"""One stage brought up to date: nothing where DVC finds it unchanged, otherwise `dvc repro` of that stage alone.

Stage by stage, because one `dvc repro` of many rolls back .gitignore entries of earlier stages when a later one fails
(dvc issue 11091), because each then has its own log, retries and time limit, and because two `dvc repro` at the same
time only work with `--single-item`.
"""

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pipelines import graph, process
from pipelines.graph import Stage

Say = Callable[[str], None]
UP_TO_DATE, RAN = "up to date", "ran"
USER_ERROR = 2  # exit status of a stage whose input is wrong
TIMED_OUT, CANCELLED, TERMINATED = 124, 130, 143  # as `timeout` has it; as shells have it of SIGINT and SIGTERM
BUSY_SECONDS = 60.0  # that another DVC may hold what a stage needs; it holds it for moments, unless it moves data
LAST_LINES = 5  # of what fails, which say why
BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked")


class StageError(Exception):
    """A stage failed; `status` is its exit status, `said` its last lines."""

    def __init__(self, message: str, status: int, said: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.said = tuple(said)

    @property
    def may_pass(self) -> bool:
        """Whether the same again may end otherwise: after a crash, not after what the user did or has to put right."""
        return self.status not in (USER_ERROR, TIMED_OUT, CANCELLED)


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
        except graph.BusyError as error:
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
    except process.TimeLimitError as error:
        raise StageError(f"{stage.name}: {error}", TIMED_OUT) from None
    except process.EndedError:
        raise StageError(f"{stage.name}: cancelled", CANCELLED) from None
    if status and busy and not statuses:
        raise graph.BusyError(busy[-1])
    if status:
        raise StageError(f"{stage.name}: failed, see its output above", statuses[-1] if statuses else 1, last)
