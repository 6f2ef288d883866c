"""A Git worktree to retrain in, so that the user's checkout is never touched: its files, its index and its HEAD stay.

It stands in `.dvc/tmp/retrain`, which Git and DVC ignore, on a detached HEAD. With the checkout it shares what saves
work: DVC's cache, remotes and credentials, the scratch folder (checkpoints, compiled code, hashes, downloads), and
files that params.yaml names but Git does not carry, such as a folder of images. A killed run leaves its worktrees
behind; the next run removes them, and loses nothing, because what is worth keeping stands in the shared cache and
scratch folder.
"""

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.exceptions import DvcException
from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from pipelines.errors import OTHER_ERROR, USER_ERROR, BusyError, DamageError, GraphError, StageError
from pipelines.registry import mending, notes
from pipelines.registry.git import GitError, git_succeeds, run_git
from pipelines.train import graph, wholeness
from pipelines.train.busy import waits
from pipelines.train.graph import Output

FOLDER = Path(".dvc", "tmp", "retrain")
NOTED = ".dvc-site-cache"  # beside the worktree, and removed with it


@contextmanager
def lock_retraining(root: Path) -> Iterator[None]:
    """Let no other process retrain here; the lock goes with the process, however it ends. Raises BusyError."""
    lock = FileLock(root / FOLDER.with_suffix(".lock"))
    try:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError("another retraining is at work in this checkout; nothing is done") from None
    except OSError as error:
        raise StageError(f"{root / FOLDER}: nothing can be written there: {error.strerror}", USER_ERROR) from None
    try:
        remove_leftovers(root)
        wholeness.forget()
        yield
    finally:
        lock.release()


def remove_leftovers(root: Path) -> None:
    """Remove what killed runs have left."""
    for leftover in (root / FOLDER).iterdir():
        if leftover.is_dir() and not leftover.is_symlink():
            notes.note_lock(root, leftover.joinpath(*_split_path(root), "dvc.lock"))
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    run_git(root, "worktree", "prune")


@contextmanager
def check_out(root: Path, revision: str) -> Iterator[Path]:
    """Create a worktree at a revision, and remove it at the end."""
    base = root / FOLDER
    base.mkdir(parents=True, exist_ok=True)
    outermost = next(path for number in itertools.count(1) if not (path := base / str(number)).exists())
    folder = outermost.joinpath(*_split_path(root))
    depth = len(Path(run_git(root, "rev-parse", "--show-prefix")).parts)  # of the project in a larger repository
    top = folder.parents[depth - 1] if depth else folder
    try:
        run_git(root, "worktree", "add", "--quiet", "--detach", str(top), revision)
    except GitError as error:
        status = OTHER_ERROR if git_succeeds(root, "rev-parse", "--verify", f"{revision}^{{commit}}") else USER_ERROR
        raise StageError(f"no worktree can be made: {error}", status) from None
    try:
        share_checkout(root, folder)
        yield folder
    finally:
        notes.note_lock(root, folder / "dvc.lock")
        shutil.rmtree(outermost)
        run_git(root, "worktree", "prune")


def _split_path(checkout: Path) -> tuple[str, ...]:
    """Return the names of the folders down to a checkout; its worktrees stand as deep, for `../images`."""
    return checkout.absolute().parts[1:]


def _find_outermost(root: Path, folder: Path) -> Path:
    """Return the folder that goes with a checkout's worktree."""
    return folder.parents[len(_split_path(root)) - 1]


def is_retraining_worktree(folder: Path) -> bool:
    """Whether the folder is one of these worktrees, which are removed when their retraining ends."""
    return f"/{FOLDER.as_posix()}/" in folder.absolute().as_posix()


def share_checkout(root: Path, folder: Path) -> None:
    """Let a worktree use the checkout's cache, remotes, credentials and scratch folder, by absolute paths."""
    local = root / ".dvc" / "config.local"
    if local.is_file():
        shutil.copy2(local, folder / ".dvc" / "config.local")
    with graph.open_repo(root) as checkout_repo, Config(str(folder / ".dvc")).edit("local") as config:
        config.setdefault("cache", {})["dir"] = str(checkout_repo.cache.local_cache_dir)
        # DVC notes on the machine, outside of any repository, what it knows of this one, and never removes that.
        config.setdefault("core", {})["site_cache_dir"] = str(_find_outermost(root, folder) / NOTED)
        if remote := checkout_repo.config["core"].get("remote"):
            config["core"]["remote"] = remote
        for name, settings in checkout_repo.config["remote"].items():
            config.setdefault("remote", {}).setdefault(name, {})["url"] = str(settings["url"])
    scratch = read_named_path(folder, "scratch")
    (root / scratch).mkdir(parents=True, exist_ok=True)
    link_path(root / scratch, folder / scratch)


def read_named_path(folder: Path, name: str) -> Path:
    """Return what dvc.yaml calls `path.<name>`, from the root. Raises StageError."""
    path = find_named_path(folder, name)
    if path is None:
        raise StageError(f"dvc.yaml: there is no path.{name} among its vars", USER_ERROR)
    return path


def find_named_path(folder: Path, name: str) -> Path | None:
    """Return what dvc.yaml calls `path.<name>`, from the root; None if there is none, as in older commits."""
    try:
        content = YAML(typ="safe").load(folder / "dvc.yaml")
        return Path(next(variables["path"][name] for variables in content["vars"] if "path" in variables))
    except (OSError, LookupError, TypeError, StopIteration):
        return None


def link_named_files(root: Path, folder: Path, settings: Any) -> None:
    """Link files that parameters name by a relative path and only the checkout has; outputs of stages are made anew."""
    outputs = {folder / output for stage in graph.read_stages(folder) for output in stage.outputs}
    outermost = _find_outermost(root, folder)
    for text in list_strings(settings):
        target, source = (Path(os.path.normpath(base / text)) for base in (folder, root))
        is_output = any(target in (out, *out.parents) or out in target.parents for out in outputs)
        is_shared = not Path(text).is_absolute() and outermost in target.parents and target not in folder.parents
        if is_shared and not is_output and os.path.lexists(source):  # False also for text that cannot be a path
            link_path(source, target)


def link_files(source: Path, target: Path, leave_out: str = "") -> None:
    """Link all files below a folder that the target lacks, but those in the folder `leave_out` of it.

    File by file, as DVC hashes a folder without the folders that are linked in it.
    """
    for path in source.rglob("*"):
        inner = path.relative_to(source)
        if path.is_file() and inner.parts[0] != leave_out:
            link_path(path, target / inner)


def list_strings(settings: Any) -> Iterator[str]:
    """Yield every text among parameters."""
    if isinstance(settings, str):
        yield settings
    elif isinstance(settings, Mapping | list):
        for value in settings.values() if isinstance(settings, Mapping) else settings:
            yield from list_strings(value)


def link_path(source: Path, target: Path) -> None:
    """Link `target` to `source` if nothing is at `target` yet."""
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.absolute(), target_is_directory=source.is_dir())


def restore_outputs(folder: Path) -> None:
    """Fetch from cache or remote the outputs of stages that are stale only because they or their inputs are missing."""
    lock = folder / "dvc.lock"
    known = YAML(typ="safe").load(lock)["stages"] if lock.is_file() else {}
    for name, reasons in graph.find_changes(folder).items():
        entries = [entry for entry in reasons if isinstance(entry, dict)]  # others are texts, such as `changed command`
        changes = [change for entry in entries for change in entry.get("changed deps", {}).values()]
        if name in known and len(entries) == len(reasons) and all(change == "deleted" for change in changes):
            with suppress(GraphError, DamageError):  # then the stage makes its outputs anew
                fetch_outputs(folder, f"{folder / 'dvc.yaml'}:{name}")


@waits
def fetch_outputs(folder: Path, *targets: str) -> None:
    """Fetch missing outputs from the cache, or else from the remote; what is fetched is whole, as its hash shows.

    A target is an output's path or `dvc.yaml:stage`. Raises GraphError, or DamageError if what is damaged in the cache
    cannot be got back.
    """
    outputs = _select_targets(folder, targets)
    mending.require_objects(folder, outputs)
    with graph.open_repo(folder) as repo:
        try:
            repo.checkout(targets=list(targets), force=True)
            return
        except DvcException:
            if not repo.config["core"].get("remote"):
                raise
            repo.fetch(targets=list(targets))
    mending.require_objects(folder, outputs)  # DVC does not check what a remote gives
    with graph.open_repo(folder) as repo:
        repo.checkout(targets=list(targets), force=True)


def _select_targets(folder: Path, targets: Iterable[str]) -> list[Output]:
    """Select the outputs that DVC would take targets for."""
    outputs, chosen = graph.list_outputs(folder), list[Output]()
    for target in targets:
        file, _, stage = target.rpartition("dvc.yaml:")
        of_stage = [output for output in outputs if output.stage == stage]
        chosen += of_stage if file else wholeness.select(outputs, [Path(target).relative_to(folder)])
    return chosen
