"""Finds the stages for which dvc.lock is out of date, without needing their data, as in CI.

DVC's own `repro --dry --allow-missing` fails if a stale stage reads a file that is not there. So this takes what
`dvc status` finds changed, except missing data, and compares the inputs in the lock file with the outputs there, stage
by stage. What a training begins with (path.start) is such data: Git does not have it, so a fresh checkout lacks it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.registry.worktree import read_named_path
from pipelines.train import graph

MISSING = ("deleted", "not in cache")


def list_stale(folder: Path) -> list[str]:
    """List the names of the stale stages, in the order of the graph."""
    path = folder / "dvc.lock"
    lock = YAML(typ="safe").load(path)["stages"] if path.is_file() else {}
    hashes = {out["path"]: out["md5"] for stage in lock.values() for out in stage.get("outs", []) if "md5" in out}
    with graph.open_repo(folder) as repo:
        cached = {
            Path(out.fs_path).relative_to(folder).as_posix()
            for stage in repo.index.stages
            for out in stage.outs
            if out.use_cache
        }
    changed, start = graph.find_changes(folder), read_named_path(folder, "start").as_posix()
    return [
        stage.name
        for stage in graph.read_stages(folder)
        if stage.name not in lock
        or any(_matters(entry, cached, start) for entry in changed.get(stage.name, []))
        or any(hashes.get(dep["path"], dep.get("md5")) != dep.get("md5") for dep in lock[stage.name].get("deps", []))
    ]


def _matters(entry: Any, cached: set[str], start: str) -> bool:
    """Whether an entry of the status, a text such as `changed command` or changes by path, makes a stage stale."""
    if not isinstance(entry, Mapping):
        return True
    changes = [(path, change) for path, change in _list_changes(entry) if path != start]
    return any(change not in MISSING or not _is_data(path, cached) for path, change in changes)


def _list_changes(entry: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield every changed path with its kind of change."""
    for by_path in entry.values():
        yield from by_path.items()


def _is_data(path: str, cached: set[str]) -> bool:
    """Whether DVC keeps the path or something in it; Git keeps the others, and a missing one of those was removed."""
    return path in cached or any(Path(path) in Path(out).parents for out in cached)
