"""Decides where a retraining begins in Git's history, and adds one commit there, on a detached HEAD of the worktree.

A promoted commit descends from the user's branch and from the champion before it, so that `git merge encoder@v0.2.0`
brings it into the branch without a conflict, however many nights have passed.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.registry import records
from pipelines.registry.git import git_succeeds, read_committed, run_git
from pipelines.registry.versions import Version
from pipelines.train import graph


def prepare_head(folder: Path, champion: Version | None) -> None:
    """Go on from the champion if it has all that the user has committed; otherwise merge both.

    In the merge, the code and parameters are the user's. If the user has not run the graph since, the lock file and the
    numbers are the champion's, so that its finished work is not done again.
    """
    if champion is None or git_succeeds(folder, "merge-base", "--is-ancestor", champion.commit, "HEAD"):
        return
    if git_succeeds(folder, "merge-base", "--is-ancestor", "HEAD", champion.commit):
        run_git(folder, "checkout", "--quiet", "--detach", champion.commit)
        return
    common = run_git(folder, "merge-base", "HEAD", champion.commit)
    unchanged = git_succeeds(folder, "diff", "--quiet", common, "HEAD", "--", "dvc.lock")
    run_git(folder, "merge", "--quiet", "--strategy", "ours", "--no-commit", "--no-ff", champion.commit)
    if unchanged:
        written = list_written(folder)
        paths = [path for path in written if git_succeeds(folder, "cat-file", "-e", f"{champion.commit}:./{path}")]
        run_git(folder, "checkout", champion.commit, "--", *paths)


def has_same_lock(folder: Path, revision: str) -> bool:
    """Whether DVC's lock file is the same as in the revision."""
    return (folder / "dvc.lock").read_text(encoding="utf-8").strip() == (
        read_committed(folder, revision, Path("dvc.lock")) or ""
    )


def have_same_inputs(folder: Path, other: Path, stages: Iterable[str], made: Iterable[Path]) -> bool:
    """Whether stages were run in both with the same command, parameters, code and images; what is in `made` aside."""
    locks = [YAML(typ="safe").load(checkout / "dvc.lock")["stages"] for checkout in (folder, other)]
    left_out = {path.as_posix() for path in made}

    def list_inputs(entry: Mapping[str, Any]) -> list[Any]:
        deps = {dep["path"]: dep.get("md5") for dep in entry.get("deps", []) if dep["path"] not in left_out}
        return [entry.get("cmd"), entry.get("params"), deps]

    return all(
        all(stage in lock for lock in locks) and list_inputs(locks[0][stage]) == list_inputs(locks[1][stage])
        for stage in stages
    )


def list_written(folder: Path) -> list[str]:
    """List the paths that a run writes and Git keeps."""
    with graph.open_repo(folder) as repo:
        outs = [out for stage in repo.index.stages for out in stage.outs if not out.use_cache]
    return ["dvc.lock", *(Path(out.fs_path).relative_to(folder).as_posix() for out in outs)]


def commit_changes(folder: Path, message: str, *options: str) -> None:
    """Commit all that the run has changed; what is linked from the checkout stays out."""
    # DVC stages some files itself, such as a new .gitignore.
    staged = run_git(folder, "diff", "--cached", "--name-only", "--relative").splitlines()
    # DVC writes Git's index anew, and then Git overlooks a file of the same size that had changed within a second of
    # its checkout. An index that was just read from the commit makes Git compare the contents.
    run_git(folder, "read-tree", "HEAD")
    run_git(folder, "add", "--update")
    present = [name for name in [*staged, *list_written(folder), records.FILE.as_posix()] if (folder / name).exists()]
    run_git(folder, "add", "--", *present)
    run_git(folder, "commit", "--quiet", "--allow-empty", "--message", message, *options)
