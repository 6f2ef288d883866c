"""Finds the objects in DVC's cache that files mention, whatever the revision, and removes objects.

dvc.lock, *.dvc and the entries of the run cache name an object as `md5: <hash>`, and an object <hash>.dir names the
files of a folder as `"md5": "<hash>"`. Texts are read, not graphs: an old revision's dvc.yaml may be one that no DVC
reads any more, and its objects count all the same.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.registry.git import list_worktrees, read_blobs, run_git

MENTION = re.compile(r'\bmd5"?: "?([0-9a-f]{32}(?:\.dir)?)')
FILES = (":(top,glob)**/dvc.lock", ":(top,glob)**/*.dvc")  # what names objects, in the whole repository


def list_mentioned(texts: Iterable[str], cache: Any) -> set[str]:
    """List the objects that texts mention, and those in the folders among them that the cache knows."""
    found = {oid for text in texts for oid in MENTION.findall(text)}
    for oid in [oid for oid in found if oid.endswith(".dir")]:
        path = locate(oid, cache)
        if path.is_file():
            found.update(MENTION.findall(path.read_text(encoding="utf-8", errors="replace")))
    return found


def locate(oid: str, cache: Any) -> Path:
    """Return where DVC's cache keeps an object."""
    return Path(cache.oid_to_path(oid))


def read_history(root: Path) -> set[str]:
    """Read every text that names objects, in any commit that a reference, a stash, an experiment or a reflog leads to.

    Also those of the index and of the files themselves, in every worktree of the repository.
    """
    command = ("log", "--all", "--reflog", "--full-history", "-m", "--root", "--raw", "--no-abbrev", "--format=", "--")
    ids = {part for line in run_git(root, *command, *FILES).splitlines() for part in line.split()[2:4]}
    texts = set()
    for folder, _ in list_worktrees(root):
        if folder.is_dir():
            ids |= {entry.split()[1] for entry in run_git(folder, "ls-files", "--stage", "--", *FILES).splitlines()}
            texts |= set(read_files(folder))
    return texts | {text for text in read_blobs(root, sorted(ids)) if text is not None}


def read_files(folder: Path) -> Iterator[str]:
    """Read the texts that name objects among the files of a worktree, whether Git tracks them or not."""
    top = Path(run_git(folder, "rev-parse", "--show-toplevel"))
    names = run_git(folder, "ls-files", "-z", "--full-name", "--cached", "--others", "--", *FILES).split("\0")
    for path in (top / name for name in names if name):
        if path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")


def list_run_cache(folder: Path, gone: set[str]) -> list[Path]:
    """List the entries of DVC's run cache that name any of these objects: DVC could restore nothing from them."""
    entries = (path for path in folder.glob("*/*/*") if path.is_file())
    return [path for path in entries if gone & set(MENTION.findall(path.read_text(errors="replace")))]


def remove(paths: Iterable[Path], *, empty_folders: int = 0) -> None:
    """Remove files, and up to so many folders above each that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # a folder is not empty
            for folder in list(path.parents)[:empty_folders]:
                folder.rmdir()
