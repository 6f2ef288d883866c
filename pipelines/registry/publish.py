"""What a retraining came to, made known: data before Git, and tags last, so that whoever sees a version can have it.

Every step may be done again: a run that was killed in between, or found no network, is finished by the next one.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import Say, StageError
from pipelines.registry import records, versions
from pipelines.registry.worktree import checked_out, git, holds
from pipelines.train import graph, process

PUSH_MINUTES = 1440.0


def fetch(root: Path, say: Say) -> None:
    """Learn what other clones have promoted and rolled back."""
    if not has_origin(root):
        return
    try:
        git(root, "-c", "remote.origin.tagOpt=--tags", "remote", "update", "origin")
    except StageError as error:
        say(f"going on with what is known here: {error}")


def has_origin(root: Path) -> bool:
    """Whether there is anybody to tell."""
    return holds(root, "remote", "get-url", "origin")


def finish(root: Path, promote: Mapping[str, Any], say: Say) -> str | None:
    """Publish the newest retraining where an earlier run could not: its branch."""
    branch = records.newest_branch(root)
    if branch is None:
        return None
    told = not has_origin(root) or holds(root, "rev-parse", "--verify", f"refs/remotes/origin/{branch}")
    if told and not _waits_for_tags(root, branch, promote):
        return None
    say(f"finishing {branch}")
    with checked_out(root, branch) as folder:
        publish(root, folder, branch, promote, say)
    return branch


def _waits_for_tags(root: Path, branch: str, promote: Mapping[str, Any]) -> bool:
    """Whether it won, and has not been given its version and its stage."""
    if records.read(root, branch).get("outcome") != records.PROMOTED:
        return False
    commit = git(root, "rev-parse", branch)
    return commit not in versions.held_by(root, promote["artifact"], promote["stage"])


def publish(root: Path, folder: Path, branch: str, promote: Mapping[str, Any], say: Say) -> None:
    """Push the data of `folder`, which is the branch checked out; then the branch; tag it if it won; push the tags."""
    with graph.opened(folder) as repo:
        remote = repo.config["core"].get("remote")
    if remote and process.run([sys.executable, "-m", "dvc", "push"], cwd=folder, minutes=PUSH_MINUTES, say=say):
        raise StageError(f"dvc push to {remote} failed, see above; the next run does it again", 1)
    if has_origin(root):
        git(root, "push", "--quiet", "origin", f"refs/heads/{branch}")
    if _waits_for_tags(root, branch, promote):
        tag(root, git(root, "rev-parse", branch), promote, say)
    if has_origin(root) and (tags := git(root, "tag", "--points-at", branch).split()):
        git(root, "push", "--quiet", "origin", *(f"refs/tags/{name}" for name in tags))


def tag(root: Path, commit: str, promote: Mapping[str, Any], say: Say) -> None:
    """Register a commit and give it the stage."""
    artifact, stage = promote["artifact"], promote["stage"]
    said = versions.message(root, commit, promote)
    known = [one.name for one in versions.registered(root, artifact) if one.commit == commit]
    name = known[0] if known else versions.register(root, artifact, commit, said)
    versions.assign(root, artifact, stage, name, said)
    say(f"{artifact}@{name} is {stage} now: {said}")
