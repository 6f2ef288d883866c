"""Where a retraining begins in Git's history, and what it adds to it: one commit, on a detached HEAD of the worktree.

A promoted commit descends from the user's branch and from the champion before it, so that `git merge encoder@v0.2.0`
brings it into the branch without a conflict, however many nights have passed.
"""

from pathlib import Path

from pipelines.registry import records
from pipelines.registry.versions import Version
from pipelines.registry.worktree import content, git, holds
from pipelines.train import graph


def begin(folder: Path, champion: Version | None) -> None:
    """Go on from the champion where that has all that the user has committed; otherwise join both.

    Joined, the code and parameters are the user's. The lock file and the numbers are the champion's where the user has
    made none since, so that its finished work is not done again.
    """
    if champion is None or holds(folder, "merge-base", "--is-ancestor", champion.commit, "HEAD"):
        return
    if holds(folder, "merge-base", "--is-ancestor", "HEAD", champion.commit):
        git(folder, "checkout", "--quiet", "--detach", champion.commit)
        return
    common = git(folder, "merge-base", "HEAD", champion.commit)
    unchanged = holds(folder, "diff", "--quiet", common, "HEAD", "--", "dvc.lock")
    git(folder, "merge", "--quiet", "--strategy", "ours", "--no-commit", "--no-ff", champion.commit)
    if unchanged:
        paths = [path for path in written(folder) if holds(folder, "cat-file", "-e", f"{champion.commit}:{path}")]
        git(folder, "checkout", champion.commit, "--", *paths)


def same_lock(folder: Path, revision: str) -> bool:
    """Whether DVC's lock file is that of the revision."""
    return (folder / "dvc.lock").read_text().strip() == (content(folder, revision, Path("dvc.lock")) or "")


def written(folder: Path) -> list[str]:
    """What a run writes and Git keeps."""
    with graph.opened(folder) as repo:
        outs = [out for stage in repo.index.stages for out in stage.outs if not out.use_cache]
    return ["dvc.lock", *(Path(out.fs_path).relative_to(folder).as_posix() for out in outs)]


def commit(folder: Path, message: str, *options: str) -> None:
    """All that the run has changed; what is linked from the checkout stays out."""
    staged = git(folder, "diff", "--cached", "--name-only").splitlines()  # by DVC, such as a new .gitignore
    # DVC writes Git's index anew, and then Git overlooks a file of the same size that had changed within a second of
    # its checkout. Read from the commit, the index takes no file for unchanged before its content was compared.
    git(folder, "read-tree", "HEAD")
    git(folder, "add", "--update")
    present = [name for name in [*staged, *written(folder), records.FILE.as_posix()] if (folder / name).exists()]
    git(folder, "add", "--", *present)
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message, *options)
