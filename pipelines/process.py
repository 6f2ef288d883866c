"""One command as a process group of its own: its lines are passed on as they come, and none of it outlives the call.

A stage starts processes (DVC, the trainer, its loader workers); a signal to the first leaves the others running, so
that the whole group is ended.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

GRACE_SECONDS = 5.0


class TimeLimitError(Exception):
    """The command ran past its time limit and was ended."""


def run(command: Sequence[str], *, cwd: Path, minutes: float, say: Callable[[str], None]) -> int:
    """Run to the end and return the exit status. Raises TimeLimitError; ends the group on any exception."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",  # `python` is this one
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    late = threading.Event()

    def end_late() -> None:
        late.set()
        end_group(process)

    timer = threading.Timer(minutes * 60, end_late)
    timer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip())
        status = process.wait()
    finally:
        timer.cancel()
        end_group(process)
    if late.is_set():
        raise TimeLimitError(f"ended after its time limit of {minutes:g} minutes")
    return status


def end_group(process: subprocess.Popen[str]) -> None:
    """SIGTERM to the whole group, and SIGKILL to what is left of it a little later."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
