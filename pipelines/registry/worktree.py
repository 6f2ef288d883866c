"""A Git worktree to retrain in, so that the user's checkout is never touched: its files, its index and its HEAD stay.

It stands in `.dvc/tmp/retrain`, which Git and DVC ignore, on a detached HEAD. With the checkout it shares what saves
work: DVC's cache, remotes and credentials, the scratch folder (checkpoints, hashes, downloads), and files that
params.yaml names but Git does not carry, such as a folder of images. A killed run leaves its worktrees behind; the next
one clears them away, and loses nothing, because what is worth keeping stands in the shared cache and scratch folder.
"""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from pipelines.errors import USER_ERROR, BusyError, GraphError, StageError
from pipelines.train import graph

FOLDER = Path(".dvc", "tmp", "retrain")
SECONDS = 600  # for Git, which may talk to a remote
NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")  # `dvc install` puts some that check out, and push, by themselves


class GitError(StageError):
    """Git refuses; the message is what it said."""


def git(root: Path, *arguments: str) -> str:
    """What Git prints. Raises GitError."""
    environment = {key: value for key, value in os.environ.items() if key not in ("GIT_DIR", "GIT_INDEX_FILE")}
    command = ["git", *NO_HOOKS, *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=environment | {"GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"git {' '.join(arguments)}: no answer within {SECONDS} s", 1) from None
    if done.returncode:
        raise GitError(f"git {' '.join(arguments)}: {' '.join(done.stderr.split())}", 1)
    return done.stdout.strip()


def holds(root: Path, *arguments: str) -> bool:
    """Whether Git says yes, by its exit status."""
    with suppress(GitError):
        git(root, *arguments)
        return True
    return False


def content(root: Path, revision: str, path: Path) -> str | None:
    """Of a file as it was committed; None where that has none."""
    with suppress(GitError):
        return git(root, "show", f"{revision}:{path.as_posix()}")
    return None


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Nobody else retrains here meanwhile; the lock goes with the process, however that ends. Raises BusyError."""
    lock = FileLock(root / FOLDER.with_suffix(".lock"))
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError("another retraining is at work in this checkout; nothing is done") from None
    try:
        clear(root)
        yield
    finally:
        lock.release()


def clear(root: Path) -> None:
    """Remove what killed runs have left."""
    for left in (root / FOLDER).iterdir():
        shutil.rmtree(left)
    git(root, "worktree", "prune")


@contextmanager
def checked_out(root: Path, revision: str) -> Iterator[Path]:
    """A worktree at a revision, removed at the end."""
    base = root / FOLDER
    base.mkdir(parents=True, exist_ok=True)
    outermost = next(path for number in itertools.count(1) if not (path := base / str(number)).exists())
    folder = outermost.joinpath(*_below_root(root))
    git(root, "worktree", "add", "--quiet", "--detach", str(folder), revision)
    try:
        share(root, folder)
        yield folder
    finally:
        shutil.rmtree(outermost)
        git(root, "worktree", "prune")


def _below_root(checkout: Path) -> tuple[str, ...]:
    """Name the folders down to a checkout; its worktrees stand below as many, to have a place for `../images`."""
    return checkout.absolute().parts[1:]


def is_one(folder: Path) -> bool:
    """Whether it is one of these worktrees, gone when its retraining ends."""
    return f"/{FOLDER.as_posix()}/" in folder.absolute().as_posix()


def share(root: Path, folder: Path) -> None:
    """Let a worktree use what the checkout has. Paths are made absolute, as they are relative to the checkout."""
    local = root / ".dvc" / "config.local"
    if local.is_file():
        shutil.copy2(local, folder / ".dvc" / "config.local")
    with graph.opened(root) as ours, graph.opened(folder) as theirs, theirs.config.edit("local") as config:
        config.setdefault("cache", {})["dir"] = str(ours.cache.local_cache_dir)
        if remote := ours.config["core"].get("remote"):
            config.setdefault("core", {})["remote"] = remote
        for name, settings in ours.config["remote"].items():
            config.setdefault("remote", {}).setdefault(name, {})["url"] = str(settings["url"])
    scratch = named_path(folder, "scratch")
    (root / scratch).mkdir(parents=True, exist_ok=True)
    link(root / scratch, folder / scratch)


def named_path(folder: Path, name: str) -> Path:
    """What dvc.yaml calls `path.<name>`, from the root. Raises StageError."""
    try:
        content = YAML(typ="safe").load(folder / "dvc.yaml")
        return Path(next(one["path"][name] for one in content["vars"] if "path" in one))
    except (OSError, LookupError, TypeError, StopIteration):
        raise StageError(f"dvc.yaml: there is no path.{name} among its vars", USER_ERROR) from None


def share_named(root: Path, folder: Path, settings: Any) -> None:
    """Link what parameters name by a relative path and only the checkout has; outputs of stages are made anew."""
    outputs = {folder / output for stage in graph.read_stages(folder) for output in stage.outputs}
    outermost = folder.parents[len(_below_root(root)) - 1]
    for text in strings(settings):
        here, there = (Path(os.path.normpath(base / text)) for base in (folder, root))
        made = any(here in (out, *out.parents) or out in here.parents for out in outputs)
        named = not Path(text).is_absolute() and outermost in here.parents and here not in folder.parents
        if named and not made and os.path.lexists(there):  # no such path, or none at all: False
            link(there, here)


def strings(settings: Any) -> Iterator[str]:
    """Every text among parameters."""
    if isinstance(settings, str):
        yield settings
    elif isinstance(settings, Mapping | list):
        for one in settings.values() if isinstance(settings, Mapping) else settings:
            yield from strings(one)


def link(there: Path, here: Path) -> None:
    """Where nothing is yet."""
    if not os.path.lexists(here):
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(there.absolute(), target_is_directory=there.is_dir())


def restore(folder: Path) -> None:
    """Bring back from cache or remote the outputs of stages that nothing but their absence makes stale."""
    lock = folder / "dvc.lock"
    known = YAML(typ="safe").load(lock)["stages"] if lock.is_file() else {}
    for name, found in graph.changes(folder).items():
        entries = [entry for entry in found if isinstance(entry, dict)]  # the others are texts: another command
        changes = [change for entry in entries for change in entry.get("changed deps", {}).values()]
        if name in known and len(entries) == len(found) and all(change == "deleted" for change in changes):
            with suppress(GraphError):  # then the stage makes them
                bring(folder, f"{folder / 'dvc.yaml'}:{name}")


def bring(folder: Path, *targets: str) -> None:
    """Outputs that are not there yet, from the cache or from the remote. Raises GraphError."""
    with graph.opened(folder) as repo:
        try:
            repo.checkout(targets=list(targets), force=True)
        except DvcException:
            if not repo.config["core"].get("remote"):
                raise
            repo.pull(targets=list(targets), force=True)
