"""`python -m pipelines.compare A [B]`: what changed between two runs, and whether the numbers moved by more than noise.

A and B are Git revisions or DVC experiments; without B, the workspace. How to read it: docs/compare.md. Exit status: 0
compared, 2 a revision cannot be read, 1 anything else.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from pipelines import entrance, signals
from pipelines.compare import revisions, table
from pipelines.train import graph, trees, wholeness
from pipelines.train.ending import EXPECTED, report_error
from pipelines.train.graph import WORKSPACE


def main() -> int:
    """Read the command line, compare, and return the exit status."""
    entrance.prepare_process()
    parser = argparse.ArgumentParser(prog="python -m pipelines.compare", description="Compare two runs.")
    parser.add_argument("a", metavar="A", help="a branch, tag, commit or DVC experiment")
    parser.add_argument("b", metavar="B", nargs="?", default=WORKSPACE, help="another (without it: the workspace)")
    arguments = parser.parse_args()
    with signals.heed_signals():
        try:
            compare(entrance.find_root(), arguments.a, arguments.b)
        except EXPECTED as error:
            return report_error(error)
    return 0


def compare(root: Path, name_a: str, name_b: str) -> None:
    """Compare two revisions and print the comparison. Raises RevisionError, GraphError or StageError."""
    a, b = revisions.read_revisions(root, [name_a, name_b])
    changes = trees.compare_params(root, name_a, name_b)
    stale = find_changes(root) if WORKSPACE in (name_a, name_b) else []
    if stale:
        print(f"the workspace is not up to date, run `dvc repro`: {', '.join(stale)}", file=sys.stderr)
    table.show_comparison(Console(highlight=False), a, b, changes)


def find_changes(root: Path) -> list[str]:
    """Find the stages that are stale in the workspace. Raises DamageError if its results are damaged and none is."""
    if stale := graph.find_changes(root):
        return list(stale)
    paths = [output.path for output in graph.list_outputs(root)]
    wholeness.check_inputs(root, [path for path in paths if path.suffix in (".json", ".parquet")])
    return []


if __name__ == "__main__":
    sys.exit(main())
