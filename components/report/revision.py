"""Which state of the code: Git's name for the commit, and whether the tree had gone on from there."""

import subprocess

# A run writes these itself before anyone can commit them.
OUTPUTS = (":(top,exclude)metrics", ":(top,exclude)dvc.lock")


def git_revision() -> str:
    """Such as `1a2b3c4 (with uncommitted changes)`, of tracked files that are no outputs; else why there is none."""
    commit = ask_git("rev-parse", "--short", "HEAD")
    if commit is None:
        return "no Git repository" if ask_git("rev-parse", "--git-dir") is None else "no Git commit yet"
    changed = ask_git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", *OUTPUTS)
    return f"{commit} (with uncommitted changes)" if changed else commit


def ask_git(*arguments: str) -> str | None:
    """What it answers in the current folder, or None where it has no answer."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
