"""`python -m pipelines.compare A [B]`: what changed between two runs, and whether the numbers moved by more than noise.

A and B are Git revisions or DVC experiments; without B, the workspace. How to read it: docs/compare.md. Exit status: 0
compared, 2 a revision cannot be read.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from pipelines import entrance
from pipelines.compare import revisions, table
from pipelines.errors import USER_ERROR, GraphError, RevisionError, StageError
from pipelines.train import graph, wholeness
from pipelines.train.graph import WORKSPACE


def main() -> int:
    """Compare two revisions, print the comparison and return the exit status."""
    entrance.prepare_process()
    parser = argparse.ArgumentParser(prog="python -m pipelines.compare", description="Compare two runs.")
    parser.add_argument("a", metavar="A", help="a branch, tag, commit or DVC experiment")
    parser.add_argument("b", metavar="B", nargs="?", default=WORKSPACE, help="another (without it: the workspace)")
    arguments = parser.parse_args()
    try:
        root = entrance.find_root()
        a, b = revisions.read_revisions(root, [arguments.a, arguments.b])
        changes = graph.compare_params(root, arguments.a, arguments.b)
        stale = find_changes(root) if WORKSPACE in (arguments.a, arguments.b) else []
    except (GraphError, RevisionError, StageError) as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    if stale:
        print(f"the workspace is not up to date, run `dvc repro`: {', '.join(stale)}", file=sys.stderr)
    table.show_comparison(Console(highlight=False), a, b, changes)
    return 0


def find_changes(root: Path) -> list[str]:
    """Find the stages that are stale in the workspace. Raises DamageError if its results are damaged and none is."""
    if stale := graph.find_changes(root):
        return list(stale)
    paths = [output.path for output in graph.list_outputs(root)]
    wholeness.check_inputs(root, [path for path in paths if path.suffix in (".json", ".parquet")])
    return []


if __name__ == "__main__":
    sys.exit(main())
