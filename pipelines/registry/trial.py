"""Tries, before hours of work, what a retraining needs at its end, and takes it back: commit, branch, tag, push, room.

Each is tried by the call that the end makes, with the same identity, settings and signatures, so that nothing has to be
known of why Git may refuse. What a server checks only when it receives a push, such as a protected branch, cannot be
tried; publish.py says it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ruamel.yaml import YAML

from pipelines.errors import USER_ERROR, StageError
from pipelines.registry import records
from pipelines.registry.git import GitError, git_succeeds, run_git
from pipelines.train import graph

TAG = "retrain-trial"
COPIES = 2  # of what a run writes: in the worktree and in DVC's cache
GIGABYTE = 1e9


def try_end(root: Path, folder: Path, *, pushes: bool) -> None:
    """Commit in a worktree, make a branch and a tag, and ask to push; leave nothing. Raises StageError."""
    head = run_git(folder, "rev-parse", "HEAD")
    branch = f"refs/heads/{records.BRANCHES}trial"  # not by the time: a retraining may have ended in this second
    with _explain("committed", "a signature needs a key that needs no typing, or `git config commit.gpgSign false`"):
        try:
            run_git(folder, "commit", "--quiet", "--allow-empty", "--message", "Trial of a retraining")
        finally:
            _take_back(folder, head)
    with _explain("kept on a branch", "rename or remove what is in its way"):
        run_git(root, "update-ref", "--stdin", stdin=f"start\ncreate {branch} {head}\nprepare\nabort\n")
    with _explain("tagged", "a signature needs a key that needs no typing, or `git config tag.gpgSign false`"):
        _try_tag(root)
    if pushes:
        with _explain("pushed", "allow it at `origin`, or `git remote rename origin` to keep retrainings here"):
            run_git(root, "push", "--quiet", "--dry-run", "origin", f"{head}:{branch}")  # origin may be a relative path


@contextmanager
def _explain(what: str, way: str) -> Iterator[None]:
    """Raise what Git says inside the block as the user's error."""
    try:
        yield
    except GitError as error:
        raise StageError(f"what is retrained could not be {what}: {error}; {way}", USER_ERROR) from None


def _take_back(folder: Path, head: str) -> None:
    """Go back to a commit that the last one was made on, and remove that one."""
    made = run_git(folder, "rev-parse", "HEAD")
    if made != head:
        run_git(folder, "reset", "--quiet", "--soft", head)
        (folder / run_git(folder, "rev-parse", "--git-path", f"objects/{made[:2]}/{made[2:]}")).unlink(missing_ok=True)


def _try_tag(root: Path) -> None:
    """Make an annotated tag as GTO does, by DVC's Git, and delete it. Raises GitError."""
    # A killed trial leaves its tag, or the lock of the tag; only one retraining is at work here.
    (root / run_git(root, "rev-parse", "--git-path", f"refs/tags/{TAG}.lock")).unlink(missing_ok=True)
    if git_succeeds(root, "rev-parse", "--verify", f"refs/tags/{TAG}"):
        run_git(root, "tag", "--delete", TAG)
    with graph.open_repo(root) as repo:
        try:
            repo.scm.tag(TAG, annotated=True, message="Trial of a retraining")
        except Exception as error:  # whatever DVC's Git or its way to sign raises
            raise GitError(f"git tag: {' '.join(str(error.__cause__ or error).split())}", 1) from None
    tag = run_git(root, "rev-parse", f"refs/tags/{TAG}")
    run_git(root, "tag", "--delete", TAG)
    (root / run_git(root, "rev-parse", "--git-path", f"objects/{tag[:2]}/{tag[2:]}")).unlink(missing_ok=True)


def check_room(root: Path, folder: Path) -> None:
    """Check that there is room for as much as the last run has written. Raises StageError."""
    lock = folder / "dvc.lock"
    stages = YAML(typ="safe").load(lock)["stages"] if lock.is_file() else {}
    needed = COPIES * sum(out.get("size", 0) for stage in stages.values() for out in stage.get("outs", []))
    free = shutil.disk_usage(root).free
    if free < needed:
        sizes = f"{free / GIGABYTE:,.1f} GB are free, and {COPIES} copies of the last run take {needed / GIGABYTE:,.1f}"
        raise StageError(
            f"{root}: too little room on the disk: {sizes} GB; `python -m pipelines.registry prune` may help",
            USER_ERROR,
        )
