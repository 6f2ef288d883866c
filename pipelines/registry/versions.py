"""Versions of an artifact and who holds a stage: annotated Git tags in GTO's format (https://dvc.org/doc/gto).

`encoder@v0.1.0` registers a commit, `encoder#prod#1` gives it a stage, and the tag with the highest number says which
commit holds the stage. So `gto show` and `dvc artifacts get . encoder --stage prod` read them. Tags are refs: no file
is touched.
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
from gto.constants import Action
from gto.exceptions import GTOException
from gto.tag import parse_name

from pipelines.compare.differences import OURS
from pipelines.errors import USER_ERROR, StageError
from pipelines.registry.git import git_succeeds, run_git
from pipelines.train import graph

FIRST = "v0.1.0"


@dataclass(frozen=True)
class Version:
    """One registered state of an artifact."""

    name: str
    commit: str
    date: str
    stages: tuple[str, ...]


def list_versions(root: Path, artifact: str) -> list[Version]:
    """List all registered versions, oldest first. GTO's own listing takes seconds with a hundred versions."""
    parsed = [(parse_name(tag, raise_on_fail=False), commit, date) for tag, commit, date in _read_tags(root)]
    ours = [(tag, commit, date) for tag, commit, date in parsed if tag.get("name") == artifact]
    stages = sorted({tag["stage"] for tag, *_ in ours if "stage" in tag})
    holders = {stage: _find_holder(root, artifact, stage) for stage in stages}
    registered: dict[str, tuple[str, str]] = {}
    for tag, commit, date in sorted(ours, key=lambda entry: entry[0].get("counter", 0)):
        if tag["action"] == Action.REGISTER:
            registered[tag["version"]] = commit, date
        elif tag["action"] == Action.DEREGISTER:
            registered.pop(tag["version"], None)
    return [
        Version(name, commit, date, tuple(stage for stage in stages if holders[stage] == commit))
        for name, (commit, date) in sorted(registered.items(), key=lambda entry: _parse_numbers(entry[0]))
    ]


def _read_tags(root: Path) -> list[tuple[str, str, str]]:
    """Read every tag: its name, its commit and when it was made."""
    names = ("refname:strip=2", "*objectname", "objectname", "creatordate:format-local:%Y-%m-%d %H:%M")
    output = run_git(root, "for-each-ref", f"--format={'%09'.join(f'%({name})' for name in names)}", "refs/tags")
    rows = (line.split("\t") for line in output.splitlines())
    return [(tag, target or commit, date) for tag, target, commit, date in rows]


def _parse_numbers(version: str) -> list[int]:
    """Parse the numbers of a version's name."""
    return [int(part) for part in re.findall(r"\d+", version)]


def list_holders(root: Path, artifact: str, stage: str) -> list[str]:
    """List the commits that held a stage one after another; the last one holds it, unless the stage was taken away."""
    numbered: dict[int, tuple[bool, str]] = {}
    for tag, commit, _ in _read_tags(root):
        if match := re.fullmatch(rf"{re.escape(artifact)}#{re.escape(stage)}(!?)#(\d+)", tag):
            numbered[int(match[2])] = (bool(match[1]), commit)
    holders: list[str] = []
    for _, (taken_away, commit) in sorted(numbered.items()):
        holders = [holder for holder in holders if holder != commit] if taken_away else [*holders, commit]
    return holders


def _find_holder(root: Path, artifact: str, stage: str) -> str | None:
    """Return the commit that holds a stage; None if none does."""
    return next(reversed(list_holders(root, artifact, stage)), None)


def find_champion(root: Path, promote: Mapping[str, Any]) -> Version | None:
    """Return the version that holds the stage that `promote:` names; None if none does."""
    commit = _find_holder(root, promote["artifact"], promote["stage"])
    return next((version for version in list_versions(root, promote["artifact"]) if version.commit == commit), None)


def choose_next_version(root: Path, artifact: str) -> str:
    """Return the name of the next version."""
    known = list_versions(root, artifact)
    if not known:
        return FIRST
    major, minor, *_ = _parse_numbers(known[-1].name)
    return f"v{major}.{minor + 1}.0"


def register(root: Path, artifact: str, revision: str, message: str) -> str:
    """Tag a commit as the next version, and return the version's name."""
    version = choose_next_version(root, artifact)
    name, address = read_author(root)
    with translate_gto_errors():
        gto.api.register(str(root), artifact, revision, version, message, author=name, author_email=address)
    return version


def assign(root: Path, artifact: str, stage: str, version: str, message: str) -> None:
    """Give a stage to a version, which may have held it before."""
    name, address = read_author(root)
    with translate_gto_errors():
        gto.api.assign(
            str(root), artifact, stage, version, message=message, force=True, author=name, author_email=address
        )


def read_author(root: Path) -> tuple[str, str]:
    """Read name and address as Git knows them; GTO ignores Git's environment variables. Raises StageError."""
    if not git_succeeds(root, "var", "GIT_COMMITTER_IDENT"):
        raise StageError("Git does not know who you are: set user.name and user.email by `git config`", USER_ERROR)
    name, _, rest = run_git(root, "var", "GIT_COMMITTER_IDENT").partition(" <")
    return name, rest.partition(">")[0]


@contextlib.contextmanager
def translate_gto_errors() -> Iterator[None]:
    """Raise GTO's errors as StageError in one line, and suppress what GTO prints."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except GTOException as error:
        raise StageError(" ".join(str(error).split()), USER_ERROR) from None


def find_previous(root: Path, promote: Mapping[str, Any]) -> Version:
    """Return the version that held the stage before the present one first did. Raises StageError."""
    holders = list_holders(root, promote["artifact"], promote["stage"])
    earlier = holders[: holders.index(holders[-1])] if holders else []
    matches = [
        version for version in list_versions(root, promote["artifact"]) if earlier and version.commit == earlier[-1]
    ]
    if not matches:
        raise StageError(f"{promote['stage']}: no version held it before the present one; `promote` names one", 2)
    return matches[0]


def find_artifact_path(root: Path, artifact: str) -> Path:
    """Return an artifact's path from the root, as dvc.yaml has it. Raises StageError."""
    by_name = read_artifact_paths(root)
    if artifact not in by_name:
        raise StageError(f"params.yaml: promote.artifact: one of {sorted(by_name)}, not '{artifact}'", USER_ERROR)
    return by_name[artifact]


def read_artifact_paths(root: Path) -> dict[str, Path]:
    """Read every artifact's path from the root, as dvc.yaml has it: a version is a commit, with all of them."""
    with graph.open_repo(root) as repo:
        return {
            name: Path(annotation.path)
            for annotations in Artifacts(repo).read().values()
            for name, annotation in annotations.items()
        }


def read_score(root: Path, commit: str, promote: Mapping[str, Any]) -> float | None:
    """Read the decisive metric of a commit; None if the commit has none."""
    with graph.open_repo(root) as repo:
        try:
            files = repo.metrics.show(revs=[commit]).get(commit, {}).get("data", {})
        except DvcException:
            return None
    contents = (content.get("data", {}) for file, content in files.items() if Path(file).stem == promote["probe"])
    content: Mapping[str, Any] = next(contents, {})
    value = content.get(OURS, {}).get(promote["metric"])
    return None if value is None else float(value)


def format_message(root: Path, commit: str, promote: Mapping[str, Any]) -> str:
    """Format the message of a tag."""
    value = read_score(root, commit, promote)
    return f"{promote['probe']} {promote['metric']} {'not measured' if value is None else f'{value:.4f}'}"
