"""`python -m pipelines.train`: the whole graph as a Prefect flow; `--no-server`: the same stages without Prefect."""

import argparse
import importlib
import signal
import sys
from typing import Any

from pipelines import entrance, notify
from pipelines.errors import TERMINATED, EndedError, GraphError, StageError
from pipelines.train import graph, plain, summary
from pipelines.train.ending import report_error, say


def main() -> int:
    """Run the graph and return the exit status: 0 done, 2 the user's input is wrong, 1 anything else."""
    entrance.prepare_process()
    parser = argparse.ArgumentParser(prog="python -m pipelines.train", description="Bring every stage up to date.")
    parser.add_argument("--no-server", action="store_true", help="the same stages without Prefect")
    without_server = parser.parse_args().no_server
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the stages' processes are ended too
    try:
        root = entrance.find_root()
        with notify.tell_failures(root, "train", say):
            outcomes = (plain if without_server else load_flow()).run_graph(root, say)
    except (StageError, GraphError, EndedError, KeyboardInterrupt) as error:
        return report_error(error)
    summary.show_summary(graph.read_stages(root), outcomes, graph.read_metrics(root), root)
    return 0


def load_flow() -> Any:
    """Load what runs the graph as a flow, by its name: pipelines/flows stands above this."""
    return importlib.import_module("pipelines.flows.training")


if __name__ == "__main__":
    sys.exit(main())
