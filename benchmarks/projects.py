"""Copies of the project to measure in, and commands typed there."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from presets.apply import merge, style

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    said: str  # both streams
    seconds: float


def copy_tree(to: Path) -> None:
    """The tree as it stands, of what Git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def change(params: Path, values: dict[str, Any]) -> None:
    """Lay values over a params.yaml, as a preset is laid over it."""
    whole = style().load(params)
    merge(whole, values)
    style().dump(whole, params)


def commit(project: Path, message: str) -> None:
    """All that Git does not ignore, in a repository that is made where there is none."""
    if not (project / ".git").exists():
        typed(project, "git init --quiet --initial-branch main")
        typed(project, "git config user.name Ada && git config user.email ada@example.org")
    typed(project, "git add --all")
    typed(project, f"git commit --quiet --message '{message}'")


def typed(project: Path, line: str, status: int | None = 0) -> Done:
    """A command line as typed in the activated environment. Raises RuntimeError at another exit status than this."""
    begun = time.monotonic()
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=project,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if status is not None and done.returncode != status:
        raise RuntimeError(f"{line} ended with {done.returncode}:\n{done.stdout}")
    return Done(done.returncode, done.stdout, time.monotonic() - begun)


def environment() -> dict[str, str]:
    """Of the activated environment."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
