"""Which stages dvc.lock does not speak of as they are now, told without their data, as in CI.

DVC's own `repro --dry --allow-missing` fails where a stale stage reads a file that is not there. So: what `dvc status`
finds changed, except that data is missing; and the inputs in the lock file against the outputs there, stage by stage.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.train import graph

MISSING = ("deleted", "not in cache")


def stale(folder: Path) -> list[str]:
    """By name, in the order of the graph."""
    path = folder / "dvc.lock"
    lock = YAML(typ="safe").load(path)["stages"] if path.is_file() else {}
    made = {out["path"]: out["md5"] for stage in lock.values() for out in stage.get("outs", []) if "md5" in out}
    with graph.opened(folder) as repo:
        cached = {
            Path(out.fs_path).relative_to(folder).as_posix()
            for stage in repo.index.stages
            for out in stage.outs
            if out.use_cache
        }
    changed = graph.changes(folder)
    return [
        stage.name
        for stage in graph.read_stages(folder)
        if stage.name not in lock
        or any(_matters(entry, cached) for entry in changed.get(stage.name, []))
        or any(made.get(dep["path"], dep.get("md5")) != dep.get("md5") for dep in lock[stage.name].get("deps", []))
    ]


def _matters(entry: Any, cached: set[str]) -> bool:
    """One entry of the status: a text, such as `changed command`, or changes by path and kind."""
    if not isinstance(entry, Mapping):
        return True
    return any(change not in MISSING or not _is_data(path, cached) for path, change in _changes(entry))


def _changes(entry: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for by_path in entry.values():
        yield from by_path.items()


def _is_data(path: str, cached: set[str]) -> bool:
    """Whether DVC keeps it, or what is in it; Git brings the rest, and there missing means removed."""
    return path in cached or any(Path(path) in Path(out).parents for out in cached)
