"""`python -m pipelines.retrain`: one retraining; with `--serve`, one whenever the schedule or somebody asks for it.

Where PREFECT_API_URL or a profile names a server of Prefect's, a retraining is a flow run there; otherwise Prefect
plays no part in it. Exit status: 0 done, whatever was decided, also where another retraining is at work; 2 the user's
input is wrong; 1 anything else. `--check` is for CI and changes nothing: 1 where dvc.lock is stale or the gate would
refuse what is committed.
"""

import argparse
import functools
import importlib
import signal
import sys
from pathlib import Path
from typing import Any

from pipelines import notify
from pipelines.errors import OTHER_ERROR, TERMINATED, BusyError, EndedError, GraphError, StageError
from pipelines.retrain import drift, retraining
from pipelines.retrain.retraining import Retraining, Tools
from pipelines.train import plain
from pipelines.train.ending import report, say


def main() -> int:
    """Do what is asked; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.retrain", description="Retrain on what is new.")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--check", action="store_true", help="for CI: is what is committed up to date and good enough?")
    either.add_argument("--serve", action="store_true", help="stay, and retrain whenever it is time or asked for")
    parser.add_argument("--cron", metavar='"0 3 * * *"', help="with --serve: when, in this machine's time zone")
    asked = parser.parse_args()
    if asked.cron is not None and not asked.serve:
        parser.error("--cron: only together with --serve")
    root = Path.cwd()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the worktree is removed
    try:
        if asked.check:
            return 0 if retraining.check(root, say) else OTHER_ERROR
        if asked.serve:
            in_flows("serve").serve(root, asked.cron, say)
            return 0
        for line in once(root).lines:
            say(line)
    except BusyError as error:
        print(error, file=sys.stderr)
        return OTHER_ERROR if asked.check or asked.serve else 0
    except (StageError, GraphError, EndedError, KeyboardInterrupt) as error:
        return report(error)
    return 0


def in_flows(module: str) -> Any:
    """Load a module of pipelines/flows by its name: that room stands above, and importing Prefect takes seconds."""
    return importlib.import_module(f"pipelines.flows.{module}")


def once(root: Path) -> Retraining:
    """One retraining, in Prefect where there is a server."""
    with notify.telling(root, retraining.NAME, say):
        named = in_flows("server").reached()
    if named:
        done: Retraining = in_flows("retrain_flow").run(root)
        return done
    return retraining.retrain(root, Tools(say, plain.run_graph, functools.partial(drift.measure, say=say)))


if __name__ == "__main__":
    sys.exit(main())
