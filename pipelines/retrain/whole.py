"""Lets a retraining work on whole files only: those of the champion, and those that the run itself reads and writes.

pipelines/train/wholeness.py hashes them, each once per retraining. What is damaged comes back from the remote, or its
stage runs again; if neither is possible, the retraining ends with a line and judges nothing.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from pipelines.errors import DamageError, Say
from pipelines.registry import mending, worktree
from pipelines.registry.versions import Version
from pipelines.train import graph, wholeness


def check_champion(root: Path, champion: Version, paths: Iterable[Path]) -> None:
    """Check before hours of work what the champion will be judged by. Raises DamageError."""
    outputs = wholeness.select(graph.list_outputs(root, champion.commit), paths)
    try:
        mending.require_objects(root, outputs)
    except DamageError as error:
        raise DamageError(f"{champion.name} ({champion.commit[:7]}) cannot be judged: {error}") from None


def run_whole(folder: Path, run: Callable[[], object], say: Say, paths: Iterable[Path] | None = None) -> None:
    """Run stages in a worktree until their outputs (or those at the paths) are whole, at most twice.

    DVC's run cache may bring back a damaged output, which the stage that reads it refuses. Raises DamageError.
    """
    try:
        run()
        _require_outputs(folder, paths)
    except DamageError as error:
        say(f"damaged, and got back or made again: {error}")
        mending.mend_outputs(folder, graph.list_outputs(folder))
        worktree.restore_outputs(folder)
        run()
        _require_outputs(folder, paths)


def _require_outputs(folder: Path, paths: Iterable[Path] | None) -> None:
    """Check outputs in the worktree and in the cache, from which they are published. Raises DamageError."""
    outputs, cache = graph.list_outputs(folder), graph.find_cache(folder)
    if paths is not None:
        outputs = wholeness.select(outputs, paths)
    pieces = wholeness.list_workspace(outputs, folder, cache) + wholeness.list_objects(outputs, cache)
    wholeness.require_whole(wholeness.inspect(pieces))
