"""metrics/decision.json: what became of each retraining, in the commit of its branch; and what had gone into it.

A retraining is known by a fingerprint of its inputs: of every stage the command, the parameters and the files that no
stage makes (the code, and through `data.snapshot` the images), and of the gate's rules. It is computed before anything
runs. Inputs that were judged once are not judged again, whatever came of them: so that a rejected night does not come
back every night, and a roll-back holds.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency

from pipelines.registry.versions import Version
from pipelines.registry.worktree import content, git
from pipelines.train import graph

FILE = Path("metrics", "decision.json")
PROMOTED, REJECTED = "promoted", "rejected"  # outcomes of a retraining
NOTHING_NEW, WAITING = "nothing new", "waiting"  # outcomes of one that judged nothing
BRANCHES = "retrain/"  # and the time
PLACES = ("refs/heads/retrain", "refs/remotes/origin/retrain")  # where they are, those of other clones included
PIN = "data.snapshot"  # the parameter that stands for the images


def branch_name() -> str:
    """Of a retraining that ends now; they sort by time."""
    return f"{BRANCHES}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def fingerprint(folder: Path, promote: Mapping[str, Any], *, images: bool) -> str:
    """Of all that decides what a retraining in this checkout comes to; without the images, of all else."""
    parts: list[Any] = [dict(promote)]
    with graph.opened(folder) as repo:
        made = [Path(out.fs_path) for stage in repo.index.stages for out in stage.outs]
        for stage in sorted(repo.index.stages, key=lambda stage: str(stage.addressing)):
            parts.append([stage.name if hasattr(stage, "name") else "", stage.cmd])
            for dep in sorted(stage.deps, key=str):
                if isinstance(dep, ParamsDependency):
                    parts.append(dep.read_params() if images else _without_pin(dep.read_params()))
                elif not any(_overlap(Path(dep.fs_path), out) for out in made):
                    parts.append([str(dep.def_path), str(dep.get_hash()) if dep.exists else None])
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _without_pin(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters but for the pin of the images, `data.snapshot`."""
    section, _, key = PIN.partition(".")
    kept = {name: value for name, value in values.items() if name != PIN}
    if isinstance(kept.get(section), Mapping):
        kept[section] = {name: value for name, value in kept[section].items() if name != key}
    return kept


def _overlap(a: Path, b: Path) -> bool:
    return a in (b, *b.parents) or b in a.parents


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """One key a line, so that Git can diff it."""
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")


def read(root: Path, revision: str) -> dict[str, Any]:
    """That of a commit; empty where it has none."""
    found: dict[str, Any] = json.loads(content(root, revision, FILE) or "{}")
    return found


def judged(root: Path) -> dict[str, str]:
    """Every branch of a retraining by the fingerprint of its inputs, those of other clones included."""
    names = git(root, "for-each-ref", "--format=%(refname)", *PLACES).split()
    return {str(read(root, name).get("inputs")): _short(name) for name in names}


def last_judged(root: Path, champion: Version) -> tuple[str, str]:
    """Name and commit of what was judged last, whatever came of it: the champion, or a branch that is younger."""
    names = git(root, "for-each-ref", "--format=%(refname)", *PLACES).split()
    newest = max(names, key=_short, default=champion.commit)
    last = git(root, "log", "--no-walk=sorted", "--max-count=1", "--format=%H", newest, champion.commit)
    return (champion.name, last) if last == champion.commit else (_short(newest), last)


def _short(reference: str) -> str:
    """The branch, wherever it is; they sort by time."""
    return f"{BRANCHES}{reference.rpartition('/')[2]}"


def newest_branch(root: Path) -> str | None:
    """Of this clone."""
    names = git(root, "for-each-ref", "--format=%(refname:strip=2)", "refs/heads/retrain").split()
    return max(names, default=None)
