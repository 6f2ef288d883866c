"""metrics/decision.json: the outcome of each retraining and its inputs, in the commit of its branch.

A retraining is known by a fingerprint of its inputs: for every stage the command, the parameters and the files that no
stage makes (the code, and through `data.snapshot` the images), and the gate's rules. It is computed before anything
runs. Labels that people gave are files of this kind and, like the images, data. Inputs that were judged once are not
judged again, whatever the outcome was: so a rejected night does not come back every night, and a rollback holds. Only a
challenger that was overtaken is judged again: it passed the gate, and before it had its tags, another version than the
one that it was compared with came into production. A new champion alone is no news, though a training may begin with
it: or each promotion would begin another night on the same images, until one passes the gate by luck.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency

from pipelines.disk import name_file
from pipelines.registry import versions, worktree
from pipelines.registry.git import read_blobs, read_committed, run_git
from pipelines.registry.versions import Version
from pipelines.train import graph

FILE = Path("metrics", "decision.json")
PROMOTED, REJECTED = "promoted", "rejected"  # outcomes of a retraining
NOTHING_NEW, WAITING = "nothing new", "waiting"  # outcomes of a retraining that judged nothing
BRANCHES = "retrain/"  # followed by the time
PLACES = ("refs/heads/retrain", "refs/remotes/origin/retrain")  # of the branches, other clones' included
PIN = "data.snapshot"  # the parameter that stands for the images


def make_branch_name() -> str:
    """Return a branch name for a retraining that ends now; the names sort by time."""
    return f"{BRANCHES}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def list_rules(promote: Mapping[str, Any], retrain: Mapping[str, Any]) -> list[Any]:
    """List the settings that decide the outcome of a retraining, and that no stage reads."""
    begins = {key: retrain[key] for key in ("start", "warm")} if retrain.get("start") == "champion" else None
    return [dict(promote)] if begins is None else [dict(promote), begins]


def compute_fingerprint(folder: Path, rules: Sequence[Any], *, images: bool) -> str:
    """Compute the hash of all that decides the outcome of a retraining in this checkout, with or without the data.

    The checkout has the user's own parameters, and no champion to begin with yet.
    """
    parts, labels = list(rules), worktree.find_named_path(folder, "labels")
    with graph.open_repo(folder) as repo:
        outputs = [Path(output.fs_path) for stage in repo.index.stages for output in stage.outs]
        for stage in sorted(repo.index.stages, key=lambda stage: str(stage.addressing)):
            parts.append([stage.name if hasattr(stage, "name") else "", stage.cmd])
            for dep in sorted(stage.deps, key=str):
                if isinstance(dep, ParamsDependency):
                    parts.append(dep.read_params() if images else _drop_pin(dep.read_params()))
                elif not images and labels is not None and Path(dep.fs_path) == folder / labels:
                    continue
                elif not any(_overlap(Path(dep.fs_path), output) for output in outputs):
                    # Not the kind of the hash: DVC takes another for a dep that no dvc.lock names yet.
                    parts.append([str(dep.def_path), dep.get_hash().value if dep.exists else None])
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _drop_pin(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the pin of the images, `data.snapshot`, from parameters."""
    section, _, key = PIN.partition(".")
    remaining = {name: value for name, value in values.items() if name != PIN}
    if isinstance(remaining.get(section), Mapping):
        remaining[section] = {name: value for name, value in remaining[section].items() if name != key}
    return remaining


def _overlap(a: Path, b: Path) -> bool:
    """Whether one of two paths contains the other."""
    return a in (b, *b.parents) or b in a.parents


def write_decision(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record to metrics/decision.json, one line per key, so that Git can compare it."""
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with name_file(path):
        path.write_text(json.dumps(record, indent=2) + "\n")


def read_decision(root: Path, revision: str) -> dict[str, Any]:
    """Read the record of a commit; empty if the commit has none."""
    record: dict[str, Any] = json.loads(read_committed(root, revision, FILE) or "{}")
    return record


def is_overtaken(record: Mapping[str, Any], commit: str, holders: Sequence[str]) -> bool:
    """Whether a retraining was promoted by its record, but not over the commit that holds the stage now."""
    rival = (record.get("champion") or {}).get("commit")
    was_promoted = record.get("outcome") == PROMOTED and commit not in holders
    return was_promoted and bool(holders) and holders[-1] != rival


def _read_judged(root: Path, promote: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the reference and the record of every retraining that was not overtaken, those of other clones included."""
    lines = run_git(root, "for-each-ref", "--format=%(refname) %(objectname)", *PLACES).splitlines()
    commits = dict(line.split() for line in lines)
    path = f"{run_git(root, 'rev-parse', '--show-prefix')}{FILE.as_posix()}"
    texts = read_blobs(root, [f"{name}:{path}" for name in commits])  # by one process, however many nights have passed
    holders = versions.list_holders(root, promote["artifact"], promote["stage"])
    for (name, commit), text in zip(commits.items(), texts, strict=True):
        record = json.loads(text or "{}")
        if not is_overtaken(record, commit, holders):
            yield name, record


def list_judged(root: Path, promote: Mapping[str, Any]) -> dict[str, str]:
    """Map the fingerprint of the inputs of every retraining that was not overtaken to its branch."""
    return {str(record.get("inputs")): shorten(name) for name, record in _read_judged(root, promote)}


def find_last_judged(root: Path, champion: Version, promote: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name and commit that were judged last, whatever the outcome: the champion, or a younger branch."""
    names = [name for name, _ in _read_judged(root, promote)]
    newest = max(names, key=shorten, default=champion.commit)
    last = run_git(root, "log", "--no-walk=sorted", "--max-count=1", "--format=%H", newest, champion.commit)
    return (champion.name, last) if last == champion.commit else (shorten(newest), last)


def shorten(reference: str) -> str:
    """Return the branch's name wherever the branch is; the names sort by time."""
    return f"{BRANCHES}{reference.rpartition('/')[2]}"


def find_newest_branch(root: Path) -> str | None:
    """Return the newest retraining branch of this clone; None if there is none."""
    names = run_git(root, "for-each-ref", "--format=%(refname:strip=2)", "refs/heads/retrain").split()
    return max(names, default=None)
