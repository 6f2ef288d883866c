"""The stages as DVC knows them: names, edges, descriptions, what `meta` says, and whether each is up to date.

dvc.yaml is the one source; nothing here names a stage. Every call opens its own `Repo`, because a `Repo` remembers what
files looked like, and stages run in between.
"""

import itertools
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
import psutil
from dvc.dependency import ParamsDependency
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo, lock_repo
from dvc.scm import resolve_rev
from dvc.stage import PipelineStage
from scmrepo.exceptions import SCMError

from pipelines.errors import OTHER_ERROR, GraphError, LockedError, RevisionError, StageError
from pipelines.shown import show
from pipelines.train.busy import waits

WORKSPACE = "workspace"  # DVC's name for the files of the checkout
_status_lock = threading.Lock()  # DVC's own locks distinguish processes, not threads


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml."""

    name: str
    description: str
    command: str  # as DVC resolves it
    needs: tuple[str, ...]  # the stages whose outputs it reads
    inputs: tuple[Path, ...]  # files and folders; this and the next two: relative to the repository
    outputs: tuple[Path, ...]
    metrics: tuple[Path, ...]  # the outputs that are metrics files
    retries: int
    minutes: float  # the time limit
    tags: tuple[str, ...]  # of the Prefect task, such as gpu


@contextmanager
def open_repo(root: Path, config: Any = None) -> Iterator[Any]:
    """Open the repository as DVC sees it now, with further settings for DVC.

    Raises LockedError, GraphError, or StageError if DVC cannot write.
    """
    try:
        with Repo(str(root), config=config) as repo:
            yield repo
    except LockError as error:
        raise LockedError(" ".join(str(error).split())) from error
    except DvcException as error:
        raise GraphError(" ".join(str(error).split())) from error
    except (OSError, SCMError, sqlite3.Error) as error:  # SQLite: DVC's own databases
        raise StageError(f"{root}: DVC cannot work: {' '.join(str(error).split())}", OTHER_ERROR) from error


@waits
def read_stages(root: Path) -> list[Stage]:
    """Read all stages, each after those it needs."""
    with open_repo(root) as repo:
        return _build_stages(repo, root)


def list_needed(stage: Stage, stages: list[Stage]) -> list[Stage]:
    """List all of the ordered stages that a stage needs, each after those it needs itself, and then the stage."""
    names = {stage.name}
    for earlier in reversed(stages):
        names |= set(earlier.needs) if earlier.name in names else set()
    return [*(candidate for candidate in stages if candidate.name in names and candidate != stage), stage]


@waits
def repair_rwlock(root: Path) -> None:
    """Repair DVC's list of files in use: killed processes leave it incomplete, or with numbers that others have now."""
    with _status_lock, open_repo(root) as repo:
        rwlock = Path(repo.tmp_dir) / "rwlock"
        hardlink = repo.config["core"].get("hardlink_lock", False)  # the kind of lock that the user has chosen
        with make_lock(f"{rwlock}.lock", tmp_dir=repo.tmp_dir, hardlink_lock=hardlink):
            try:
                written, used = rwlock.stat().st_mtime, json.loads(rwlock.read_text())
                users = [*used.get("write", {}).values(), *itertools.chain(*used.get("read", {}).values())]
                is_left = all(_is_gone(user["pid"], user["cmd"], written) for user in users)
            except FileNotFoundError:
                return
            except (ValueError, LookupError, TypeError, AttributeError):  # half written, or none of DVC's
                is_left = True
            if is_left:
                rwlock.unlink()


@waits
def repair_lock_file(root: Path) -> None:
    """Set dvc.lock aside if a DVC was killed while writing it; the run cache still knows what stages have done."""
    with _status_lock, open_repo(root) as repo:
        lock = root / "dvc.lock"
        with lock_repo(repo):
            if lock.is_file() and not lock.read_bytes().endswith(b"\n"):
                try:
                    Lockfile(repo, str(lock)).load()
                except DvcException:
                    lock.replace(Path(repo.tmp_dir) / "dvc.lock.half")


def _is_gone(pid: int, command: str, written: float) -> bool:
    """Whether a DVC is gone, though another process may have its number by now, as after a restart of the machine."""
    try:
        process = psutil.Process(pid)
        arguments = command.partition(" ")[2]
        return bool(process.create_time() > written and not " ".join(process.cmdline()).endswith(arguments))
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


@waits
def read_stages_and_changes(root: Path) -> tuple[list[Stage], dict[str, list[Any]]]:
    """Read all stages, and what makes each stale one stale, as `find_changes` returns it."""
    with _status_lock, open_repo(root) as repo:
        return _build_stages(repo, root), _key_by_stage(repo.status())


@waits
def find_changes(root: Path, *names: str) -> dict[str, list[Any]]:
    """Find what makes the named stages (or all) stale, by stage; the result is empty when everything is up to date."""
    with _status_lock, open_repo(root) as repo:
        # With the file: DVC would look for a bare name in the working directory of this process.
        targets = [f"{root / 'dvc.yaml'}:{name}" for name in names]
        return _key_by_stage(repo.status(targets=targets or None))


def _key_by_stage(status: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Key DVC's status by stage name: DVC adds the file if it is not in the working directory of this process."""
    return {address.rpartition("dvc.yaml:")[2]: reasons for address, reasons in status.items()}


def _build_stages(repo: Any, root: Path) -> list[Stage]:
    whole = repo.index.graph  # edges run from consumer to producer
    graph = whole.subgraph(stage for stage in whole if isinstance(stage, PipelineStage))  # `dvc add` makes other stages
    ordered = networkx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: stage.name)
    return [_build_stage(stage, graph, root) for stage in ordered]


def _build_stage(stage: Any, graph: Any, root: Path) -> Stage:
    meta = stage.meta or {}
    if missing := {"retries", "minutes"} - meta.keys():
        raise GraphError(f"stage {stage.name}: meta lacks {', '.join(sorted(missing))}")
    return Stage(
        name=stage.name,
        description=stage.desc or stage.name,
        command=stage.cmd if isinstance(stage.cmd, str) else " && ".join(stage.cmd),
        needs=tuple(sorted(needed.name for needed in graph.successors(stage))),
        inputs=list_local_paths([dep for dep in stage.deps if not isinstance(dep, ParamsDependency)], root),
        outputs=list_local_paths(stage.outs, root),
        metrics=list_local_paths([out for out in stage.outs if out.metric], root),
        retries=meta["retries"],
        minutes=meta["minutes"],
        tags=tuple(meta.get("tags", [])),
    )


def list_local_paths(entries: Iterable[Any], root: Path) -> tuple[Path, ...]:
    """List the paths of DVC's entries from the root; those that lie elsewhere, as in a bucket, are left out."""
    return tuple(Path(os.path.relpath(entry.fs_path, root)) for entry in entries if entry.protocol == "local")


@dataclass(frozen=True)
class Output:
    """An output of a stage (or of `dvc add`) as dvc.lock names it."""

    stage: str
    path: Path  # relative to the repository
    md5: str  # of the file; or of a folder's list of files, and then it ends in .dir
    is_cached: bool  # False: Git keeps it


@waits
def list_outputs(root: Path, revision: str = WORKSPACE) -> list[Output]:
    """List the outputs that dvc.lock names by their content, in the checkout or in a revision. Raises LockedError."""
    with open_repo(root) as repo:
        if revision == WORKSPACE:
            with _status_lock, repo.lock:  # or another stage may be writing dvc.lock
                return _build_outputs(repo)
        with switch(repo, revision):
            return _build_outputs(repo)


def _build_outputs(repo: Any) -> list[Output]:
    return [
        Output(getattr(stage, "name", Path(stage.path).name), path, out.hash_info.value, out.use_cache)
        for stage in repo.index.stages
        for out in stage.outs
        if out.hash_info and out.hash_info.name == "md5"
        for path in list_local_paths([out], Path(repo.root_dir))
    ]


def find_cache(root: Path) -> Path:
    """Find the folder in which DVC keeps each file under its MD5: the first two digits are a folder's name."""
    with open_repo(root) as repo:
        return Path(repo.cache.local.path)


@waits
def read_metrics(root: Path) -> dict[str, Any]:
    """Read the contents of every metrics file of the workspace, by path; unreadable files are left out."""
    with open_repo(root) as repo:
        by_revision: dict[str, Any] = repo.metrics.show()
    files = by_revision.get("", {}).get("data", {})
    return {path: content["data"] for path, content in sorted(files.items()) if "data" in content}


def switch(repo: Any, name: str) -> Any:
    """Return a context in which the repository is at a revision. Raises RevisionError if the name is unknown."""
    try:
        if name != WORKSPACE:
            repo.scm.resolve_commit(resolve_rev(repo.scm, name or "no name"))  # DVC takes no name for HEAD
    except Exception:  # of any type: what names a file, a folder or no text at all makes DVC stumble in many ways
        raise RevisionError(
            f"{show(name) or 'an empty name'}: neither a Git revision nor an experiment; see `git log --oneline` and "
            "`dvc exp list`"
        ) from None
    return repo.switch(name)
