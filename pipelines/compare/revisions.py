"""Reads the results of any revision through DVC: its metrics, and the predictions that the same stages wrote.

A revision is what DVC takes for one (https://dvc.org/doc/command-reference/metrics/diff): a branch, tag, commit or
experiment, or `workspace`. Nothing is checked out; a file that is not in the cache is read from the remote.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import DamageError, RevisionError
from pipelines.shown import show
from pipelines.train import trees
from pipelines.train.graph import WORKSPACE
from pipelines.train.trees import Tree


@dataclass(frozen=True)
class Revision:
    """The results of one run, by the path of each file from the root."""

    name: str
    metrics: dict[str, Any]
    predictions: dict[str, pa.Table]  # keyed by the metrics file of the same stage


def read_revisions(root: Path, names: list[str]) -> list[Revision]:
    """Read each of the named revisions. Raises RevisionError, DamageError or GraphError."""
    return trees.read_trees(root, names, _read_revision)


def _read_revision(name: str, tree: Tree) -> Revision:
    short = tree.commit if tree.commit == WORKSPACE else tree.commit[:7]
    title = show(name if name.startswith(short) else f"{name} ({short})")
    metrics: dict[str, Any] = {}
    predictions: dict[str, pa.Table] = {}
    for metrics_file, predictions_file in tree.results:
        content = _read_metrics(tree, metrics_file, title)
        if content is not None:
            metrics[metrics_file] = content
            if predictions_file is not None and tree.exists(predictions_file):
                predictions[metrics_file] = _read_predictions(tree, predictions_file, title, short)
    return Revision(title, metrics, predictions)


def _read_metrics(tree: Tree, path: str, revision: str) -> Any:
    """Read a metrics file; None if the run did not write it."""
    try:
        return json.loads(tree.read_file(path))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        raise RevisionError(f"{path} of {revision}: not JSON") from None


def _read_predictions(tree: Tree, path: str, revision: str, commit: str) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(tree.read_file(path)))
    except pa.ArrowInvalid:
        raise RevisionError(f"{path} of {revision}: no Parquet file; `python -m pipelines.verify` checks it") from None
    except DamageError as error:
        raise DamageError(f"{path} of {revision}: {error}") from None
    except Exception as error:  # each remote has its own error types
        reason = (
            "neither in DVC's cache nor on a remote" if isinstance(error, FileNotFoundError) else _format_error(error)
        )
        checkout = "" if commit == WORKSPACE else f"`git checkout {commit}`, then "
        raise RevisionError(
            f"{path} of {revision}: {reason}; bring it here: {checkout}`dvc pull` or `dvc repro`"
        ) from None


def _format_error(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
