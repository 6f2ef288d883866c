"""Publishes the result of a retraining: data before Git, and tags last, so that whoever sees a version can have it.

Every step may be repeated: if a run was killed in between, or found no network, the next run finishes it.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import OTHER_ERROR, USER_ERROR, Say, StageError
from pipelines.registry import mending, records, versions
from pipelines.registry.git import GitError, git_succeeds, run_git
from pipelines.registry.worktree import check_out
from pipelines.train import graph, process

PUSH_MINUTES = 1440.0
OVERTAKEN = "another version came into production meanwhile; the next run judges it anew"


def fetch_refs(root: Path, say: Say) -> bool:
    """Fetch the versions that other clones have promoted and rolled back; return whether there is an origin to ask."""
    if not has_origin(root):
        return False
    try:
        run_git(root, "-c", "remote.origin.tagOpt=--tags", "remote", "update", "origin")
    except StageError as error:
        say(f"going on with what is known here: {error}")
        return False
    return True


def has_origin(root: Path) -> bool:
    """Whether Git has a remote called origin."""
    return git_succeeds(root, "remote", "get-url", "origin")


def finish_publishing(root: Path, promote: Mapping[str, Any], say: Say) -> str | None:
    """Publish the newest retraining and return its branch; None if it is already published, or was overtaken."""
    branch = records.find_newest_branch(root)
    if branch is None or _is_overtaken(root, branch, promote):
        return None
    is_published = not has_origin(root) or git_succeeds(root, "rev-parse", "--verify", f"refs/remotes/origin/{branch}")
    if is_published and not _waits_for_tags(root, branch, promote):
        return None
    say(f"finishing {branch}")
    with check_out(root, branch) as folder:
        publish_branch(root, folder, branch, promote, say)
    return branch


def _waits_for_tags(root: Path, branch: str, promote: Mapping[str, Any]) -> bool:
    """Whether the retraining was promoted but its commit does not have the version and the stage yet."""
    if records.read_decision(root, branch).get("outcome") != records.PROMOTED:
        return False
    commit = run_git(root, "rev-parse", branch)
    return commit not in versions.list_holders(root, promote["artifact"], promote["stage"])


def _is_overtaken(root: Path, branch: str, promote: Mapping[str, Any]) -> bool:
    """Whether another version came into production before a promoted retraining did."""
    holders = versions.list_holders(root, promote["artifact"], promote["stage"])
    return records.is_overtaken(records.read_decision(root, branch), run_git(root, "rev-parse", branch), holders)


def publish_branch(root: Path, folder: Path, branch: str, promote: Mapping[str, Any], say: Say) -> None:
    """Push the data in `folder`, a checkout of the branch, and the branch; if promoted, tag it and push the tags."""
    with graph.open_repo(folder) as repo:
        remote = repo.config["core"].get("remote")
    mending.require_objects(folder, graph.list_outputs(folder))  # or others would pull what is damaged
    if remote and process.run([sys.executable, "-m", "dvc", "push"], cwd=folder, minutes=PUSH_MINUTES, say=say):
        raise StageError(f"dvc push to {remote} failed, see above; the next run does it again", 1)
    if has_origin(root):
        push(root, branch, f"refs/heads/{branch}")
        say(f"pushed {branch} to origin")
    if _is_overtaken(root, branch, promote):
        raise StageError(f"{branch}: {OVERTAKEN}", OTHER_ERROR)
    if _waits_for_tags(root, branch, promote):
        tag_version(root, run_git(root, "rev-parse", branch), promote, say)
    if has_origin(root) and (tags := run_git(root, "tag", "--points-at", branch).split()):
        push_tags(root, branch, promote["artifact"], tags)


def push_tags(root: Path, branch: str, artifact: str, tags: list[str]) -> None:
    """Push tags to origin. If another clone was first, take ours back, or the two would disagree for ever."""
    try:
        push(root, branch, *(f"refs/tags/{name}" for name in tags))
    except StageError as error:
        if "already exists" not in str(error):
            raise
        run_git(root, "tag", "--delete", *(name for name in tags if re.match(rf"{re.escape(artifact)}[@#]", name)))
        raise StageError(f"{branch}: {OVERTAKEN}", OTHER_ERROR) from None


def push(root: Path, branch: str, *references: str) -> None:
    """Push a retraining's references to origin. Raises StageError; the next run tries it again."""
    try:
        run_git(root, "push", "--quiet", "origin", *references)
    except GitError as error:
        if "rejected]" not in str(error):
            raise
        way = f"allow it there, or `git remote rename origin` to keep retrainings here, or `git branch -D {branch}`"
        raise StageError(f"{branch} is done, and origin refuses it: {error}; {way}", USER_ERROR) from None


def tag_version(root: Path, commit: str, promote: Mapping[str, Any], say: Say) -> None:
    """Register a commit as a version and give it the stage."""
    artifact, stage = promote["artifact"], promote["stage"]
    message = versions.format_message(root, commit, promote)
    names = [version.name for version in versions.list_versions(root, artifact) if version.commit == commit]
    name = names[0] if names else versions.register(root, artifact, commit, message)
    versions.assign(root, artifact, stage, name, message)
    say(f"{artifact}@{name} is {stage} now: {message}")
