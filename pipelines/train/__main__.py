"""`python -m pipelines.train`: the whole graph as a Prefect flow; `--no-server`: the same stages without Prefect."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from pipelines import entrance, notify, signals
from pipelines.train import busy, graph, plain, summary
from pipelines.train.ending import EXPECTED, KEPT, report_error, say


def main() -> int:
    """Run the graph and return the exit status: 0 done, 2 the user's input is wrong, 1 anything else."""
    entrance.prepare_process()
    parser = argparse.ArgumentParser(prog="python -m pipelines.train", description="Bring every stage up to date.")
    parser.add_argument("--no-server", action="store_true", help="the same stages without Prefect")
    without_server = parser.parse_args().no_server
    with signals.heed_signals():
        try:
            root = entrance.find_root()
            with notify.tell_failures(root, "train", say), busy.take_turn(root, say):
                entrance.check_index(root)
                train(root, without_server)
        except EXPECTED as error:
            return report_error(error, KEPT)
    return 0


def train(root: Path, without_server: bool) -> None:
    """Bring every stage up to date, and print what came of it. Raises StageError or GraphError."""
    outcomes = (plain if without_server else load_flow()).run_graph(root, say)
    summary.show_summary(graph.read_stages(root), outcomes, graph.read_metrics(root), root)


def load_flow() -> Any:
    """Load what runs the graph as a flow, by its name: pipelines/flows stands above this."""
    return importlib.import_module("pipelines.flows.training")


if __name__ == "__main__":
    sys.exit(main())
