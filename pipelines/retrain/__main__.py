"""`python -m pipelines.retrain`: one retraining; with `--serve`, one whenever the schedule or somebody asks for it.

If PREFECT_API_URL or a profile names a Prefect server, a retraining is a flow run there; otherwise it runs without
Prefect. Exit status: 0 done, whatever was decided, and also if another retraining is at work; 2 the user's input is
wrong; 1 anything else. `--check` is for CI and changes nothing: its status is 1 if dvc.lock is stale or the gate would
refuse what is committed.
"""

import argparse
import functools
import importlib
import sys
from pathlib import Path
from typing import Any

from pipelines import entrance, notify, signals
from pipelines.errors import OTHER_ERROR, BusyError
from pipelines.retrain import drift, retraining
from pipelines.retrain.retraining import Retraining, Tools
from pipelines.train import plain
from pipelines.train.ending import EXPECTED, KEPT, report_error, say


def main() -> int:
    """Retrain once, serve or check, as the flags say, and return the exit status."""
    entrance.prepare_process()
    parser = argparse.ArgumentParser(prog="python -m pipelines.retrain", description="Retrain on what is new.")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--check", action="store_true", help="for CI: is what is committed up to date and good enough?")
    modes.add_argument("--serve", action="store_true", help="stay, and retrain whenever it is time or asked for")
    parser.add_argument("--cron", metavar='"0 3 * * *"', help="with --serve: when, in this machine's time zone")
    arguments = parser.parse_args()
    if arguments.cron is not None and not arguments.serve:
        parser.error("--cron: only together with --serve")
    with signals.heed_signals():
        try:
            return run_command(arguments)
        except EXPECTED as error:
            status = report_error(error, KEPT)
            is_retraining = not arguments.check and not arguments.serve
            return 0 if isinstance(error, BusyError) and is_retraining else status


def run_command(arguments: argparse.Namespace) -> int:
    """Do what the flags say and return the exit status. Raises one of EXPECTED."""
    root = entrance.find_root()
    if arguments.check:
        return 0 if retraining.check_head(root, say) else OTHER_ERROR
    if arguments.serve:
        load_flows_module("serve").serve_checkout(root, arguments.cron, say)
        return 0
    for line in retrain_once(root).lines:
        say(line)
    return 0


def load_flows_module(module: str) -> Any:
    """Load a module of pipelines/flows by its name: that room stands above, and importing Prefect takes seconds."""
    return importlib.import_module(f"pipelines.flows.{module}")


def retrain_once(root: Path) -> Retraining:
    """Retrain once, as a Prefect flow if there is a server."""
    with notify.tell_failures(root, retraining.NAME, say):
        server_url = load_flows_module("named").find_server()
    if server_url:
        result: Retraining = load_flows_module("retrain_flow").run_retraining()
        return result
    return retraining.retrain(root, Tools(say, plain.run_graph, functools.partial(drift.measure_drift, say=say)))


if __name__ == "__main__":
    sys.exit(main())
