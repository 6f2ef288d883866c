"""What a run of any revision said: its metrics, and the predictions that the same stages wrote, read through DVC.

A revision is what DVC takes for one (https://dvc.org/doc/command-reference/metrics/diff): a branch, tag, commit or
experiment, or `workspace`. Nothing is checked out; a file that is not in the cache is read from the remote.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dvc.repo import Repo
from dvc.scm import RevError, resolve_rev

from pipelines import graph

WORKSPACE = "workspace"  # DVC's name for the files as they are


class RevisionError(Exception):
    """The revision cannot be read; the message is one line that says why and what would help."""


@dataclass(frozen=True)
class Revision:
    """One run. Files by their path from the root."""

    name: str
    metrics: dict[str, Any]
    predictions: dict[str, pa.Table]  # by the metrics file of the same stage


@dataclass(frozen=True)
class Change:
    """One parameter in both runs; None where there is none."""

    key: str
    old: Any
    new: Any


def read(root: Path, names: list[str]) -> list[Revision]:
    """Each of the named revisions."""
    with graph.opened(root) as today, Repo(str(root), config=_remotes(today)) as repo:
        return [_read(repo, name) for name in names]


def _remotes(today: Any) -> dict[str, Any]:
    """Of the workspace. DVC reads an old commit with that commit's settings, from before there was a remote maybe."""
    remote = today.config["core"].get("remote")
    return {"core": {"remote": remote}, "remote": today.config["remote"]} if remote else {}


def _read(repo: Any, name: str) -> Revision:
    with _switched(repo, name) as commit:
        short = commit if commit == WORKSPACE else commit[:7]
        shown = name if name.startswith(short) else f"{name} ({short})"
        metrics: dict[str, Any] = {}
        predictions: dict[str, pa.Table] = {}
        for metrics_file, predictions_file in _files(repo):
            content = _metrics(repo.dvcfs, metrics_file, shown)
            if content is not None:
                metrics[metrics_file] = content
                if predictions_file is not None and repo.dvcfs.exists(predictions_file):
                    predictions[metrics_file] = _predictions(repo.dvcfs, predictions_file, shown, short)
    return Revision(shown, metrics, predictions)


def _switched(repo: Any, name: str) -> Any:
    try:
        if name != WORKSPACE:
            resolve_rev(repo.scm, name)
    except RevError:
        raise RevisionError(
            f"{name}: neither a Git revision nor an experiment; see `git log --oneline` and `dvc exp list`"
        ) from None
    return repo.switch(name)


def _files(repo: Any) -> Iterator[tuple[str, str | None]]:
    """Every metrics file, with the predictions that its stage writes."""

    def place(out: Any) -> str:
        return str(Path(repo.fs.relpath(out.fs_path, repo.root_dir)).as_posix())

    for stage in repo.index.stages:
        tables = [place(out) for out in stage.outs if out.fs_path.endswith(".parquet")]
        for out in stage.outs:
            if out.metric:
                yield place(out), next(iter(tables), None)


def _metrics(files: Any, path: str, revision: str) -> Any:
    """What the file says; None where that run did not write it."""
    try:
        with files.open(path, "rb") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError:
        raise RevisionError(f"{path} of {revision}: not JSON") from None


def _predictions(files: Any, path: str, revision: str, commit: str) -> pa.Table:
    try:
        with files.open(path, "rb") as file:
            return pq.read_table(pa.BufferReader(file.read()))
    except pa.ArrowInvalid:
        raise RevisionError(f"{path} of {revision}: not a Parquet file") from None
    except Exception as error:  # a remote's own kind, whichever it is
        why = "neither in DVC's cache nor on a remote" if isinstance(error, FileNotFoundError) else _line(error)
        back = "" if commit == WORKSPACE else f"`git checkout {commit}`, then "
        raise RevisionError(f"{path} of {revision}: {why}; bring it here: {back}`dvc pull` or `dvc repro`") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def changed_params(root: Path, old: str, new: str) -> list[Change]:
    """What `dvc params diff` says."""
    with graph.opened(root) as repo:
        files = repo.params.diff(old, new).get("diff", {})
    several = len(files) > 1
    return [
        Change(f"{file}:{key}" if several else key, values["old"], values["new"])
        for file, changes in sorted(files.items())
        for key, values in sorted(changes.items())
    ]
