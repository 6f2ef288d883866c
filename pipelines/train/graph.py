"""The stages as DVC knows them: names, edges, descriptions, what `meta` says, and whether each is up to date.

dvc.yaml is the one source; nothing here names a stage. Every call opens a `Repo` of its own: one remembers what files
looked like, and stages run in between.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.scm import RevError, resolve_rev
from dvc.stage import PipelineStage

from pipelines.errors import GraphError, LockedError, RevisionError

WORKSPACE = "workspace"  # DVC's name for the files as they are
_one_at_a_time = threading.Lock()  # DVC tells who reads and writes what by process, not by thread


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml."""

    name: str
    description: str
    command: str  # as DVC resolves it
    needs: tuple[str, ...]  # the stages whose outputs it reads
    inputs: tuple[Path, ...]  # files and folders, relative to the repository, as are the next two
    outputs: tuple[Path, ...]
    metrics: tuple[Path, ...]  # those of the outputs that are metrics files
    retries: int
    minutes: float  # its time limit
    tags: tuple[str, ...]  # what the flow's task is found by: gpu


@contextmanager
def opened(root: Path) -> Iterator[Any]:
    """The repository as DVC sees it now."""
    try:
        with Repo(str(root)) as repo:
            yield repo
    except LockError as error:
        raise LockedError(" ".join(str(error).split())) from error
    except DvcException as error:
        raise GraphError(" ".join(str(error).split())) from error


def read_stages(root: Path) -> list[Stage]:
    """All stages, each after those it needs."""
    with opened(root) as repo:
        return _stages(repo, root)


def mend(root: Path) -> None:
    """Remove DVC's list of files in use where a DVC that was killed while it wrote there left half a list."""
    with _one_at_a_time, opened(root) as repo:
        used = Path(repo.tmp_dir) / "rwlock"
        hardlink = repo.config["core"].get("hardlink_lock", False)  # of the kind that the user has chosen
        with make_lock(f"{used}.lock", tmp_dir=repo.tmp_dir, hardlink_lock=hardlink):
            try:
                json.loads(used.read_text())
            except FileNotFoundError:
                return
            except ValueError:
                used.unlink()


def read_all(root: Path) -> tuple[list[Stage], dict[str, list[Any]]]:
    """All stages, and of those that are stale what makes them so, as `changes` has it."""
    with _one_at_a_time, opened(root) as repo:
        return _stages(repo, root), _by_name(repo.status())


def changes(root: Path, *names: str) -> dict[str, list[Any]]:
    """What makes the named stages (or all) stale, by stage; empty when everything is up to date."""
    with _one_at_a_time, opened(root) as repo:
        # Named by their file: DVC would look for a bare name in the folder that the process is in.
        targets = [f"{root / 'dvc.yaml'}:{name}" for name in names]
        return _by_name(repo.status(targets=targets or None))


def _by_name(status: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """DVC names the file too where that is not in the folder that the process is in."""
    return {addressed.rpartition("dvc.yaml:")[2]: why for addressed, why in status.items()}


def _stages(repo: Any, root: Path) -> list[Stage]:
    whole = repo.index.graph  # edges run from consumer to producer
    graph = whole.subgraph(stage for stage in whole if isinstance(stage, PipelineStage))  # not what `dvc add` made
    ordered = networkx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: stage.name)
    return [_stage(stage, graph, root) for stage in ordered]


def _stage(stage: Any, graph: Any, root: Path) -> Stage:
    meta = stage.meta or {}
    if missing := {"retries", "minutes"} - meta.keys():
        raise GraphError(f"stage {stage.name}: meta lacks {', '.join(sorted(missing))}")
    return Stage(
        name=stage.name,
        description=stage.desc or stage.name,
        command=stage.cmd if isinstance(stage.cmd, str) else " && ".join(stage.cmd),
        needs=tuple(sorted(needed.name for needed in graph.successors(stage))),
        inputs=_paths([dep for dep in stage.deps if not isinstance(dep, ParamsDependency)], root),
        outputs=_paths(stage.outs, root),
        metrics=_paths([out for out in stage.outs if out.metric], root),
        retries=meta["retries"],
        minutes=meta["minutes"],
        tags=tuple(meta.get("tags", [])),
    )


def _paths(places: Iterable[Any], root: Path) -> tuple[Path, ...]:
    return tuple(Path(os.path.relpath(place.fs_path, root)) for place in places if place.protocol == "local")


def metrics(root: Path) -> dict[str, Any]:
    """What every metrics file of the workspace says, by its path; unreadable ones are left out."""
    with opened(root) as repo:
        shown: dict[str, Any] = repo.metrics.show()
    files = shown.get("", {}).get("data", {})
    return {path: content["data"] for path, content in sorted(files.items()) if "data" in content}


@dataclass(frozen=True)
class Change:
    """One parameter in two revisions; None where there is none."""

    key: str
    old: Any
    new: Any


def changed_params(root: Path, old: str, new: str) -> list[Change]:
    """Compare the parameters of two revisions, as `dvc params diff` does."""
    with opened(root) as repo:
        files = repo.params.diff(old, new).get("diff", {})
    several = len(files) > 1
    return [
        Change(f"{file}:{key}" if several else key, values["old"], values["new"])
        for file, changes in sorted(files.items())
        for key, values in sorted(changes.items())
    ]


@dataclass(frozen=True)
class Tree:
    """The files of a revision, read from DVC's cache or from the remote; nothing is checked out."""

    commit: str
    results: list[tuple[str, str | None]]  # every metrics file, and the Parquet file that its stage writes
    files: Any

    def exists(self, path: str) -> bool:
        """Whether the revision has the file."""
        return bool(self.files.exists(path))

    def read(self, path: str) -> bytes:
        """Read a file whole. Raises FileNotFoundError, or whatever error the remote has."""
        with self.files.open(path, "rb") as file:
            content: bytes = file.read()
        return content


def read_trees(root: Path, names: list[str]) -> Iterator[tuple[str, Tree]]:
    """Yield each of the named revisions, which is open until the next one. Raises RevisionError, GraphError."""
    with opened(root) as today, Repo(str(root), config=_remotes(today)) as repo:
        for name in names:
            with _switched(repo, name) as commit:
                yield name, Tree(commit, [*_results(repo)], repo.dvcfs)


def _remotes(today: Any) -> dict[str, Any]:
    """Take the workspace's remotes: DVC reads an old commit with that commit's settings, maybe of before there were
    any."""
    remote = today.config["core"].get("remote")
    return {"core": {"remote": remote}, "remote": today.config["remote"]} if remote else {}


def _switched(repo: Any, name: str) -> Any:
    try:
        if name != WORKSPACE:
            resolve_rev(repo.scm, name)
    except RevError:
        raise RevisionError(
            f"{name}: neither a Git revision nor an experiment; see `git log --oneline` and `dvc exp list`"
        ) from None
    return repo.switch(name)


def _results(repo: Any) -> Iterator[tuple[str, str | None]]:
    for stage in repo.index.stages:
        written = {str(path.as_posix()): out for out in stage.outs for path in _paths([out], Path(repo.root_dir))}
        table = next((path for path in written if path.endswith(".parquet")), None)
        yield from ((path, table) for path, out in written.items() if out.metric)
