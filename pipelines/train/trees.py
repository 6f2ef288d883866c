"""Reads revisions through DVC, without checking them out: their files, and the parameters in which two of them differ.

A file that is not in DVC's cache is read from the remote.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipelines.errors import DamageError
from pipelines.train import graph
from pipelines.train.busy import waits
from pipelines.train.graph import WORKSPACE

Result = TypeVar("Result")


@dataclass(frozen=True)
class Change:
    """One parameter in two revisions; the value is None in a revision that lacks the parameter."""

    key: str
    old: Any
    new: Any


@waits
def compare_params(root: Path, old: str, new: str) -> list[Change]:
    """Compare the parameters of two revisions, as `dvc params diff` does."""
    with graph.open_repo(root) as repo:
        files = repo.params.diff(old, new).get("diff", {})
    has_several_files = len(files) > 1
    return [
        Change(f"{file}:{key}" if has_several_files else key, values["old"], values["new"])
        for file, changes in sorted(files.items())
        for key, values in sorted(changes.items())
    ]


@dataclass(frozen=True)
class Tree:
    """The files of a revision, read from DVC's cache or from the remote; nothing is checked out."""

    commit: str
    results: list[tuple[str, str | None]]  # every metrics file, and the Parquet file that its stage writes
    files: Any

    def exists(self, path: str) -> bool:
        """Whether the revision has the file."""
        return bool(self.files.exists(path))

    def read_file(self, path: str) -> bytes:
        """Read a whole file. Raises FileNotFoundError, DamageError, or the remote's own error."""
        with self.files.open(path, "rb") as file:
            content: bytes = file.read()
        md5 = None if self.commit == WORKSPACE else self.files.info(path).get("md5")  # Git's files have none
        if md5 not in (None, hashlib.md5(content, usedforsecurity=False).hexdigest()):
            way = f"`python -m pipelines.verify {self.commit[:7]} --repair` gets it back where it can"
            raise DamageError(f"damaged, in DVC's cache or on the remote: {way}")
        return content


@waits
def read_trees(root: Path, names: list[str], read: Callable[[str, Tree], Result]) -> list[Result]:
    """Read each of the named revisions by `read`, for which its tree is open. Raises RevisionError or GraphError."""
    results = []
    with graph.open_repo(root) as workspace, graph.open_repo(root, _copy_remotes(workspace)) as repo:
        for name in names:
            with graph.switch(repo, name) as commit:
                results.append(read(name, Tree(commit, [*_list_results(repo)], repo.dvcfs)))
    return results


def _copy_remotes(workspace: Any) -> dict[str, Any]:
    """Return the workspace's remotes as settings, because an old commit may have been made before there were any."""
    remote = workspace.config["core"].get("remote")
    return {"core": {"remote": remote}, "remote": workspace.config["remote"]} if remote else {}


def _list_results(repo: Any) -> Iterator[tuple[str, str | None]]:
    """Yield every metrics file, with the Parquet file of the same stage or None."""
    for stage in repo.index.stages:
        outs_by_path = {
            str(path.as_posix()): out
            for out in stage.outs
            for path in graph.list_local_paths([out], Path(repo.root_dir))
        }
        parquet_path = next((path for path in outs_by_path if path.endswith(".parquet")), None)
        yield from ((path, parquet_path) for path, out in outs_by_path.items() if out.metric)
