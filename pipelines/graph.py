"""The stages as DVC knows them: names, edges, descriptions, what `meta` says, and whether each is up to date.

dvc.yaml is the one source; nothing here names a stage. Every call opens a `Repo` of its own: one remembers what files
looked like, and stages run in between.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.stage import PipelineStage

_one_at_a_time = threading.Lock()  # DVC tells who reads and writes what by process, not by thread


class GraphError(Exception):
    """DVC cannot read the pipeline; the message is DVC's, in one line."""


class BusyError(GraphError):
    """Another DVC holds the repository or a file of it."""


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml."""

    name: str
    description: str
    needs: tuple[str, ...]  # the stages whose outputs it reads
    outputs: tuple[Path, ...]  # relative to the repository
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
        raise BusyError(" ".join(str(error).split())) from error
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
        needs=tuple(sorted(needed.name for needed in graph.successors(stage))),
        outputs=tuple(Path(out.fs_path).relative_to(root) for out in stage.outs),
        retries=meta["retries"],
        minutes=meta["minutes"],
        tags=tuple(meta.get("tags", [])),
    )


def metrics(root: Path) -> dict[str, Any]:
    """What every metrics file of the workspace says, by its path; unreadable ones are left out."""
    with opened(root) as repo:
        shown: dict[str, Any] = repo.metrics.show()
    files = shown.get("", {}).get("data", {})
    return {path: content["data"] for path, content in sorted(files.items()) if "data" in content}
