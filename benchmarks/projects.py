"""Copies the project to a folder to measure in, and runs command lines there."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from presets.apply import make_yaml, merge

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class CommandResult:
    """The exit status, the output and the duration of a command that has ended."""

    status: int
    output: str  # both streams
    seconds: float


def copy_tree(to: Path) -> None:
    """Copy all files of the working tree that Git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def change_params(params: Path, values: dict[str, Any]) -> None:
    """Change values of a params.yaml, as a preset does."""
    whole = make_yaml().load(params)
    merge(whole, values)
    make_yaml().dump(whole, params)


def commit_all(project: Path, message: str) -> None:
    """Commit all that Git does not ignore; make the repository first where there is none."""
    if not (project / ".git").exists():
        run_line(project, "git init --quiet --initial-branch main")
        run_line(project, "git config user.name Ada && git config user.email ada@example.org")
    run_line(project, "git add --all")
    run_line(project, f"git commit --quiet --message '{message}'")


def run_line(project: Path, line: str, status: int | None = 0) -> CommandResult:
    """Run a shell line in the activated environment. Raises RuntimeError where it ends with another exit status."""
    begun = time.monotonic()
    ended = subprocess.run(
        ["sh", "-c", line],
        cwd=project,
        env=make_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if status is not None and ended.returncode != status:
        raise RuntimeError(f"{line} ended with {ended.returncode}:\n{ended.stdout}")
    return CommandResult(ended.returncode, ended.stdout, time.monotonic() - begun)


def make_environment() -> dict[str, str]:
    """Return the environment variables of the activated virtual environment."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
