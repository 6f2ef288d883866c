"""`python -m pipelines.retrain`: one retraining; with `--serve`, one whenever the schedule or somebody asks for it.

Where PREFECT_API_URL or a profile names a server of Prefect's, a retraining is a flow run there; otherwise Prefect
plays no part in it. Exit status: 0 done, whatever was decided, also where another retraining is at work; 2 the user's
input is wrong; 1 anything else. `--check` is for CI and changes nothing: 1 where dvc.lock is stale or the gate would
refuse what is committed.
"""

import argparse
import functools
import signal
import sys
from pathlib import Path

from pipelines import drift, graph, notify, retraining, server, train, worktree
from pipelines.process import EndedError
from pipelines.retraining import Retraining, Tools
from pipelines.runner import TERMINATED, StageError
from pipelines.train import OTHER_ERROR, say


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
            from pipelines import serve  # here only, because importing Prefect takes seconds

            serve.serve(root, asked.cron, say)
            return 0
        for line in once(root).lines:
            say(line)
    except worktree.BusyError as error:
        print(error, file=sys.stderr)
        return OTHER_ERROR if asked.check or asked.serve else 0
    except (StageError, graph.GraphError, EndedError, KeyboardInterrupt) as error:
        return train.report(error)
    return 0


def once(root: Path) -> Retraining:
    """One retraining, in Prefect where there is a server."""
    with notify.telling(root, retraining.NAME, say):
        named = server.reached()
    if named:
        from pipelines import retrain_flow  # here only, because importing Prefect takes seconds

        return retrain_flow.run(root)
    run_graph = functools.partial(train.run_graph, server=False)
    return retraining.retrain(root, Tools(say, run_graph, functools.partial(drift.measure, say=say)))


if __name__ == "__main__":
    sys.exit(main())
