"""Runs Git without its hooks, and without questions that nobody could answer; what it refuses is an error in a line."""

import io
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipelines.entrance import make_git_environment
from pipelines.errors import StageError

SECONDS = 600  # an answer may come from a remote
NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")  # `dvc install` adds hooks that check out and push


class GitError(StageError):
    """Git refuses a command; the message is what Git said."""


def run_git(root: Path, *arguments: str, stdin: str = "") -> str:
    """Run a Git command and return what it prints. Raises GitError."""
    return _run(root, *arguments, stdin=stdin.encode()).decode(errors="replace").strip()


def _run(root: Path, *arguments: str, stdin: bytes) -> bytes:
    """Run a Git command and return the bytes that it prints. Raises GitError."""
    command = ["git", *NO_HOOKS, *arguments]
    try:
        completed = subprocess.run(
            command,
            cwd=root,
            env=make_git_environment(GIT_TERMINAL_PROMPT="0"),
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"git {' '.join(arguments)}: no answer within {SECONDS} s", 1) from None
    if completed.returncode:
        reason = " ".join(completed.stderr.decode(errors="replace").split()) or f"ended with {completed.returncode}"
        raise GitError(f"git {' '.join(arguments)}: {reason}", 1)
    return completed.stdout


def git_succeeds(root: Path, *arguments: str) -> bool:
    """Whether a Git command succeeds."""
    with suppress(GitError):
        run_git(root, *arguments)
        return True
    return False


def read_committed(root: Path, revision: str, path: Path) -> str | None:
    """Read a file as it was committed; None if the revision does not have it."""
    with suppress(GitError):
        return run_git(root, "show", f"{revision}:./{path.as_posix()}")  # ./ for a project in a larger repository
    return None


def list_worktrees(root: Path) -> list[tuple[Path, str]]:
    """List the folder of every worktree of the repository, and the commit that is checked out there."""
    worktrees: list[tuple[Path, str]] = []
    for line in run_git(root, "worktree", "list", "--porcelain").splitlines():
        key, _, value = line.partition(" ")
        if key == "worktree":
            folder = Path(value)
        elif key == "HEAD":
            worktrees.append((folder, value))
    return worktrees


def read_blobs(root: Path, names: Sequence[str]) -> list[str | None]:
    """Read files by one process, each by its id or as `<revision>:<path from the top>`; None for what is absent."""
    output = io.BytesIO(_run(root, "cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode()))
    texts: list[str | None] = []
    for _ in names:
        header = output.readline().split()
        if len(header) == 3 and header[1] == b"blob":
            texts.append(output.read(int(header[2])).decode(errors="replace"))
            output.read(1)  # the end of the line after it
        else:
            texts.append(None)
    return texts
