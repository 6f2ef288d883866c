"""Decides which retrainings keep their data: the champion, what may replace it, the newest, and what the user marked.

A retraining is a commit that retrain/* or a version leads to. Each one has a subject that begins with SUBJECT, whereas
a version that the user registered is a commit of the user's own, whose data is never ours to remove.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.registry import records, versions
from pipelines.registry.git import list_worktrees, run_git

SUBJECT = "Retrained: "  # followed by the outcome


@dataclass(frozen=True)
class Retrained:
    """A retraining, what it is called, and why it keeps its data; it does not if there is no reason."""

    commit: str
    name: str
    reasons: tuple[str, ...]


def list_retrained(root: Path, promote: Mapping[str, Any], keep: int) -> list[Retrained]:
    """List all retrainings, those that keep their data first."""
    ours, marked = _read_refs(root, promote["artifact"])
    made = _list_made_here(root, ours)
    known = versions.list_versions(root, promote["artifact"])
    reasons: dict[str, list[str]] = {}

    def give_reason(commit: str, reason: str) -> None:
        if commit in names:
            reasons.setdefault(commit, []).append(reason)

    names = {commit: name for commit, name in ours.items() if commit in made}
    for version in known:
        for stage in version.stages:
            give_reason(version.commit, stage)
    for commit in list_before(versions.list_holders(root, promote["artifact"], promote["stage"]))[:keep]:
        give_reason(commit, "rollback")
    for version in known[max(0, len(known) - keep) :]:
        give_reason(version.commit, "new")
    if branches := {name: commit for commit, name in names.items() if name.startswith(records.BRANCHES)}:
        give_reason(branches[max(branches)], "newest")
    for commit, reference in marked.items():
        give_reason(commit, reference)
    by_commit = {version.commit: version.name for version in known}
    sorted_out = [
        Retrained(commit, by_commit.get(commit, name), tuple(dict.fromkeys(reasons.get(commit, []))))
        for commit, name in names.items()
    ]
    return sorted(sorted_out, key=lambda retrained: not retrained.reasons)


def list_before(holders: list[str]) -> list[str]:
    """List the commits to which `rollback`, again and again, would lead."""
    before: list[str] = []
    place = holders.index(holders[-1]) if holders else 0
    while place > 0:
        before.append(holders[place - 1])
        place = holders.index(before[-1])
    return before


def _read_refs(root: Path, artifact: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the commits that retrainings and versions name, with the names, and those that other references name."""
    ours: dict[str, str] = {}
    marked: dict[str, str] = {}
    pattern = re.compile(rf"refs/tags/{re.escape(artifact)}[@#]|(?:{'|'.join(records.PLACES)})/")
    for line in run_git(root, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)").splitlines():
        reference, *ids = line.split()
        if not pattern.match(reference):
            marked[ids[-1]] = reference.partition("/")[2]
        elif not reference.startswith("refs/tags/"):
            ours[ids[-1]] = records.shorten(reference)
        else:
            ours.setdefault(ids[-1], reference.removeprefix("refs/tags/"))
    for _, commit in list_worktrees(root):
        marked[commit] = "a checkout"
    return ours, marked


def list_marked(root: Path, artifact: str) -> list[str]:
    """List the commits that the user's own references name, and those of all checkouts."""
    return list(_read_refs(root, artifact)[1])


def _list_made_here(root: Path, commits: Mapping[str, str]) -> set[str]:
    """List those of the commits that a retraining has made."""
    output = run_git(root, "log", "--no-walk=unsorted", "--stdin", "--format=%H %s", stdin="\n".join(commits))
    found = (line.partition(" ") for line in output.splitlines())
    return {commit for commit, _, subject in found if subject.startswith(SUBJECT)}
