"""Runs a module of the project as a process of its own, which ends with its children when its time is up."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.slot.record import NotMeasuredError

ROOT = Path(__file__).parent.parent.parent
MISSING = "ModuleNotFoundError: No module named "


class ProcessFailedError(Exception):
    """A process ended with an error; the message is its last line."""


def run_module(module: str, *arguments: str, launcher: tuple[str, ...] = ("-m",)) -> str:
    """Return what the module wrote to stdout.

    Raises ProcessFailedError where it failed, and NotMeasuredError where a package is missing.
    """
    process = start_module(module, *arguments, launcher=launcher)
    try:
        output, errors = process.communicate()
    finally:
        kill_family(process)
    if process.returncode:
        last = (errors.strip() or output.strip() or f"it ended with {process.returncode}").splitlines()[-1]
        if last.startswith(MISSING):
            raise NotMeasuredError(f"{last.removeprefix(MISSING)} is missing")
        raise ProcessFailedError(last)
    return output


def start_module(module: str, *arguments: str, launcher: tuple[str, ...] = ("-m",)) -> subprocess.Popen[str]:
    """Start the module as a process group of its own, in the project's folder."""
    return subprocess.Popen(
        [sys.executable, *launcher, module, *arguments],
        cwd=ROOT,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def kill_family(process: subprocess.Popen[str]) -> None:
    """Kill what is left of a process and its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
