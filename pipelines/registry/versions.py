"""Versions of an artifact and who holds a stage: annotated Git tags in GTO's format (https://dvc.org/doc/gto).

`encoder@v0.1.0` registers a commit, `encoder#prod#1` gives it a stage, and the highest number tells who holds that. So
`gto show` and `dvc artifacts get . encoder --stage prod` read them. Tags are refs: no file is touched.
"""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gto.api
from dvc.exceptions import DvcException
from dvc.repo.artifacts import Artifacts
from gto.exceptions import GTOException

from pipelines.compare.differences import OURS
from pipelines.errors import USER_ERROR, StageError
from pipelines.registry.worktree import git, holds
from pipelines.train import graph

FIRST = "v0.1.0"


@dataclass(frozen=True)
class Version:
    """One registered state of an artifact."""

    name: str
    commit: str
    date: str
    stages: tuple[str, ...]


def registered(root: Path, artifact: str) -> list[Version]:
    """All that are registered, oldest first."""
    with gto_errors():
        known = gto.api.show(str(root), registered_only=True)
        found = gto.api.show(str(root), artifact, registered_only=True) if artifact in known else []
    holders = {stage: _present(root, artifact, stage) for stage in gto.api.get_stages(str(root), used=True)}
    return [
        Version(
            one["version"],
            one["commit_hexsha"],
            f"{one['created_at']:%Y-%m-%d %H:%M}",
            tuple(stage for stage, commit in sorted(holders.items()) if commit == one["commit_hexsha"]),
        )
        for one in sorted(found, key=lambda one: _parts(one["version"]))
    ]


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def held_by(root: Path, artifact: str, stage: str) -> list[str]:
    """The commits that held a stage one after another; the last one holds it, unless it was taken away."""
    numbered: dict[int, tuple[bool, str]] = {}
    listed = git(root, "for-each-ref", "--format=%(refname:strip=2) %(*objectname) %(objectname)", "refs/tags")
    for line in listed.splitlines():
        tag, commit = line.split()[:2]
        if found := re.fullmatch(rf"{re.escape(artifact)}#{re.escape(stage)}(!?)#(\d+)", tag):
            numbered[int(found[2])] = (bool(found[1]), commit)
    held: list[str] = []
    for _, (taken_away, commit) in sorted(numbered.items()):
        held = [one for one in held if one != commit] if taken_away else [*held, commit]
    return held


def _present(root: Path, artifact: str, stage: str) -> str | None:
    return next(reversed(held_by(root, artifact, stage)), None)


def champion(root: Path, promote: Mapping[str, Any]) -> Version | None:
    """Who holds the stage that `promote:` names."""
    commit = _present(root, promote["artifact"], promote["stage"])
    return next((one for one in registered(root, promote["artifact"]) if one.commit == commit), None)


def next_version(root: Path, artifact: str) -> str:
    """What the next one will be called."""
    known = registered(root, artifact)
    if not known:
        return FIRST
    major, minor, *_ = _parts(known[-1].name)
    return f"v{major}.{minor + 1}.0"


def register(root: Path, artifact: str, revision: str, message: str) -> str:
    """Tag a commit as the next version."""
    version = next_version(root, artifact)
    name, address = author(root)
    with gto_errors():
        gto.api.register(str(root), artifact, revision, version, message, author=name, author_email=address)
    return version


def assign(root: Path, artifact: str, stage: str, version: str, message: str) -> None:
    """Give a stage to a version, which may have held it before."""
    name, address = author(root)
    with gto_errors():
        gto.api.assign(
            str(root), artifact, stage, version, message=message, force=True, author=name, author_email=address
        )


def author(root: Path) -> tuple[str, str]:
    """Name and address as Git knows them; GTO does not look at Git's environment variables. Raises StageError."""
    if not holds(root, "var", "GIT_COMMITTER_IDENT"):
        raise StageError("Git does not know who you are: set user.name and user.email by `git config`", USER_ERROR)
    name, _, rest = git(root, "var", "GIT_COMMITTER_IDENT").partition(" <")
    return name, rest.partition(">")[0]


@contextlib.contextmanager
def gto_errors() -> Iterator[None]:
    """GTO's refusals in one line, and not its own prints."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except GTOException as error:
        raise StageError(" ".join(str(error).split()), USER_ERROR) from None


def before_present(root: Path, promote: Mapping[str, Any]) -> Version:
    """Who held the stage before the present version first did. Raises StageError."""
    held = held_by(root, promote["artifact"], promote["stage"])
    earlier = held[: held.index(held[-1])] if held else []
    found = [one for one in registered(root, promote["artifact"]) if earlier and one.commit == earlier[-1]]
    if not found:
        raise StageError(f"{promote['stage']}: no version held it before the present one; `promote` names one", 2)
    return found[0]


def artifact_path(root: Path, artifact: str) -> Path:
    """Where dvc.yaml says that it lies, from the root. Raises StageError."""
    with graph.opened(root) as repo:
        named = {name: found for one in Artifacts(repo).read().values() for name, found in one.items()}
    if artifact not in named:
        raise StageError(f"params.yaml: promote.artifact: one of {sorted(named)}, not '{artifact}'", USER_ERROR)
    return Path(named[artifact].path)


def score(root: Path, commit: str, promote: Mapping[str, Any]) -> float | None:
    """The decisive metric of a commit, None where it has none."""
    with graph.opened(root) as repo:
        try:
            files = repo.metrics.show(revs=[commit]).get(commit, {}).get("data", {})
        except DvcException:
            return None
    contents = (content.get("data", {}) for file, content in files.items() if Path(file).stem == promote["probe"])
    content: Mapping[str, Any] = next(contents, {})
    value = content.get(OURS, {}).get(promote["metric"])
    return None if value is None else float(value)


def message(root: Path, commit: str, promote: Mapping[str, Any]) -> str:
    """What a tag says."""
    value = score(root, commit, promote)
    return f"{promote['probe']} {promote['metric']} {'not measured' if value is None else f'{value:.4f}'}"
