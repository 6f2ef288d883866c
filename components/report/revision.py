"""Reads the state of the code: Git's name for the commit, and whether the tree has changed since."""

import subprocess

# A run writes these files itself before anyone can commit them.
OUTPUTS = (":(exclude)metrics", ":(exclude)dvc.lock")


def read_git_revision() -> str:
    """Return the commit, like `1a2b3c4 (with uncommitted changes)`, or why there is none. Changes are those of tracked
    files that are not outputs."""
    commit = ask_git("rev-parse", "--short", "HEAD")
    if commit is None:
        return "no Git repository" if ask_git("rev-parse", "--git-dir") is None else "no Git commit yet"
    changed = ask_git("status", "--porcelain", "--untracked-files=no", "--", ".", *OUTPUTS)
    return f"{commit} (with uncommitted changes)" if changed else commit


def ask_git(*arguments: str) -> str | None:
    """Run Git in the current folder; return its answer, or None if it fails or is not installed."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
