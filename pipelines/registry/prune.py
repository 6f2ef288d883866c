"""`python -m pipelines.registry prune`: removes the data of old retrainings, never a branch, a tag or a commit.

So what was judged is still known, and is not judged again (records.py). Only data that a retraining has made may go; of
these stays whatever anything else mentions: the checkout, the history of branches and tags, stashes and experiments.
docs/retrain.md has the rules as a user needs them.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines.errors import USER_ERROR, GraphError, Say, StageError
from pipelines.registry import keep, mending, notes, objects, presence, records, start, versions
from pipelines.registry.git import git_succeeds, read_blobs, run_git
from pipelines.registry.keep import Retrained
from pipelines.registry.worktree import read_named_path
from pipelines.train import graph

LOCK, PARAMS = "dvc.lock", "params.yaml"
MEGABYTE = 1e6
INTERRUPTED = "[0-9a-f]" * 32  # the names of the folders of interrupted trainings in the scratch folder


@dataclass(frozen=True)
class Rubbish:
    """The files and folders that go."""

    objects: list[Path]
    runs: list[Path]  # entries of DVC's run cache
    notes: list[Path]
    snapshots: list[Path]
    checkpoints: list[Path]  # folders
    copies: list[Path]  # files and folders that were damaged

    @property
    def lines(self) -> list[str]:
        """One line for each kind of which something goes."""
        states = [path for folder in self.checkpoints for path in _list_files(folder)]
        names = ", ".join(folder.name for folder in self.checkpoints)
        kinds = {
            "objects of DVC's cache": self.objects,
            "entries of its run cache": self.runs,
            "records of snapshots": self.snapshots,
            f"checkpoints of interrupted trainings ({names})": states,
            "damaged files that were set aside": [path for copy in self.copies for path in _list_files(copy)],
        }
        return [f"{len(paths):,} {kind}: {_measure(paths):,.1f} MB" for kind, paths in kinds.items() if paths]

    def remove(self) -> None:
        """Remove all of it. What is cut short is done by the next call: the notes, which name objects, go last."""
        objects.remove(self.runs, empty_folders=2)
        objects.remove(self.objects, empty_folders=1)
        objects.remove(self.snapshots)
        for folder in self.checkpoints:
            with suppress(Timeout), FileLock(f"{folder}.lock", timeout=0):  # whoever trains there holds it
                shutil.rmtree(folder, ignore_errors=True)
        objects.remove([path for copy in self.copies for path in _list_files(copy)])
        for copy in self.copies:
            shutil.rmtree(copy, ignore_errors=True)  # does nothing where there was no folder
        objects.remove(self.notes)


def _list_files(path: Path) -> list[Path]:
    """List the files in a folder; of a file, itself."""
    return [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]


def _measure(paths: Sequence[Path]) -> float:
    """Return how many megabytes the files take."""
    return sum(path.stat().st_size for path in paths) / MEGABYTE


def prune(
    root: Path, promote: Mapping[str, Any], count: int, others: Sequence[Path], say: Say, *, removes: bool
) -> None:
    """Say what stays and what goes, and remove the latter if told so. Raises StageError, GraphError or LockedError.

    `count` versions stay beside the champion; `others` are checkouts on the same cache. No retraining may be at work.
    """
    retrained = keep.list_retrained(root, promote, count)
    with graph.open_repo(root) as repo, repo.lock:
        rubbish = find_rubbish(root, repo, retrained, promote["artifact"], others)
        staying = [f"{entry.name} ({', '.join(entry.reasons)})" for entry in retrained if entry.reasons]
        say(f"the data of these stay: {', '.join(staying) or 'none'}")
        others_count = len(retrained) - len(staying)
        say(f"of {others_count} other retrainings, and of nights that made none, go:")
        for line in rubbish.lines or ["nothing"]:
            say(f"  {line}")
        if removes:
            rubbish.remove()
    if removes:
        run_git(root, "gc", "--quiet")


def prune_before_night(root: Path, params: Mapping[str, Any], say: Say) -> None:
    """Remove what `retrain.keep` leaves no place to; a night is not lost where that fails."""
    if (count := params["retrain"]["keep"]) is None:
        return
    try:
        check_shared_cache(root, None)
        prune(root, params["promote"], count, (), say, removes=True)
    except (StageError, GraphError) as error:
        say(f"old data stay: {error}")


def find_rubbish(
    root: Path, repo: Any, retrained: Sequence[Retrained], artifact: str, others: Sequence[Path]
) -> Rubbish:
    """Find what only retrainings mention that do not keep their data."""
    cache, known_notes = repo.cache.local, notes.list_notes(root)
    old_notes, last_notes = known_notes[:-1], known_notes[-1:]  # the next night may go on from the last one
    staying = [entry.commit for entry in retrained if entry.reasons]
    going = [entry.commit for entry in retrained if not entry.reasons]
    going_locks = {*_read_all(root, going, LOCK), *_read_notes(old_notes)}
    kept_texts = {*_read_all(root, staying, LOCK), *_read_notes(last_notes)}
    for folder in (root, *others):
        kept_texts |= objects.read_history(folder) - going_locks  # a branch that has merged a retraining has its lock
        kept_texts |= {*_read_all(folder, keep.list_marked(folder, artifact), LOCK), *objects.read_files(folder)}
    kept_texts |= _read_starts(root, staying, artifact)
    gone = objects.list_mentioned(going_locks, cache) - objects.list_mentioned(kept_texts, cache)
    ordered = sorted(gone, key=lambda oid: (oid.endswith(".dir"), oid))  # the lists of folders last, if it is cut short
    present = {oid: path for oid in ordered if (path := objects.locate(oid, cache)).is_file()}
    params = _read_all(root, [*staying, *keep.list_marked(root, artifact)], PARAMS)
    scratch = root / read_named_path(root, "scratch")
    return Rubbish(
        list(present.values()),
        objects.list_run_cache(Path(repo.stage_cache.cache_dir), set(present)),
        old_notes,
        find_snapshots(root, scratch, params),
        find_checkpoints(root, scratch, staying),
        mending.list_needless(Path(cache.path)),
    )


def _read_all(folder: Path, commits: Sequence[str], name: str) -> set[str]:
    """Read a file of the project in every commit that has it."""
    prefix = run_git(folder, "rev-parse", "--show-prefix")
    return {text for text in read_blobs(folder, [f"{commit}:{prefix}{name}" for commit in commits]) if text is not None}


def _read_starts(root: Path, commits: Sequence[str], artifact: str) -> set[str]:
    """Read which files the trainings of these commits began with: without them none could be run again."""
    found = [records.read_decision(root, commit).get("start") or {} for commit in commits]
    begun_with = {record["commit"] for record in found if record.get("commit")}
    path = versions.find_artifact_path(root, artifact) if begun_with else Path()
    return {
        text
        for commit in begun_with
        for name in start.FILES
        for text in presence.list_hashes(root, commit, path / name)
    }


def _read_notes(paths: Sequence[Path]) -> set[str]:
    return {path.read_text(encoding="utf-8", errors="replace") for path in paths}


def find_snapshots(root: Path, scratch: Path, params: Collection[str]) -> list[Path]:
    """Find the records of snapshots that neither the checkout nor these texts of params.yaml pin."""
    pinned = [*params, (root / PARAMS).read_text(encoding="utf-8")]
    return [path for path in scratch.glob("snapshots/*.parquet") if not any(path.stem in text for text in pinned)]


def find_checkpoints(root: Path, scratch: Path, staying: Sequence[str]) -> list[Path]:
    """Find the interrupted trainings that are older than every retraining that keeps its data."""
    if not staying:
        return []
    times = run_git(root, "log", "--no-walk", "--stdin", "--format=%ct", stdin="\n".join(staying)).split()
    folders = [folder for folder in scratch.glob(INTERRUPTED) if folder.is_dir()]
    return [folder for folder in folders if folder.stat().st_mtime < min(map(int, times))]


def check_shared_cache(root: Path, others: Sequence[Path] | None) -> None:
    """Refuse to remove from a cache that others may use, unless they are named. Raises StageError."""
    with graph.open_repo(root) as repo:
        cache = Path(repo.cache.local_cache_dir)
    if others is None and (root / ".dvc").resolve() not in cache.resolve().parents:
        way = "name the other checkouts that use it by --projects, or none by --projects alone"
        raise StageError(f"{cache}: lies outside this checkout, so that others may use it: {way}", USER_ERROR)
    for other in others or ():
        if not other.is_dir():
            raise StageError(f"--projects: {other}: no folder", USER_ERROR)
        if not git_succeeds(other, "rev-parse", "--git-dir"):
            raise StageError(f"--projects: {other}: not a checkout of Git's", USER_ERROR)
