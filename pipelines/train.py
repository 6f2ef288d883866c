"""`python -m pipelines.train`: the whole graph as a Prefect flow; `--no-server`: the same stages without Prefect."""

import argparse
import signal
import sys
from pathlib import Path

from pipelines import graph, notify, plain, process, runner, settings, summary
from pipelines.runner import Say
from pipelines.work import Work

OTHER_ERROR = 1
KEPT = "finished stages are kept, and pretraining goes on from its last checkpoint"


def main() -> int:
    """Run the graph; returns the exit status: 0 done, 2 the user's input is wrong, 1 anything else."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.train", description="Bring every stage up to date.")
    parser.add_argument("--no-server", action="store_true", help="the same stages without Prefect")
    without_server = parser.parse_args().no_server
    root = Path.cwd()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(runner.TERMINATED))  # so that the stages' processes are ended too
    try:
        with notify.telling(root, "train", say):
            outcomes = run_graph(root, say, server=not without_server)
    except (runner.StageError, graph.GraphError, process.EndedError, KeyboardInterrupt) as error:
        return report(error)
    summary.show(graph.read_stages(root), outcomes, graph.metrics(root), root)
    return 0


def report(error: BaseException) -> int:
    """What ended a run, as a line on stderr; returns the exit status."""
    if isinstance(error, process.EndedError | KeyboardInterrupt):
        print(f"interrupted; {KEPT}", file=sys.stderr)
        return runner.CANCELLED
    if isinstance(error, graph.GraphError):
        busy = isinstance(error, graph.BusyError)
        print(error if busy else f"dvc.yaml: {error}", file=sys.stderr)
        return OTHER_ERROR if busy else runner.USER_ERROR
    assert isinstance(error, runner.StageError)
    if error.status == runner.CANCELLED:
        print(f"cancelled; {KEPT}", file=sys.stderr)
        return runner.CANCELLED
    print(error, file=sys.stderr)
    return runner.USER_ERROR if error.status == runner.USER_ERROR else OTHER_ERROR


def say(line: str) -> None:
    """On standard output, at once."""
    print(line, flush=True)


def run_graph(root: Path, say: Say, *, server: bool) -> dict[str, str]:
    """Bring every stage of a checkout up to date: outcome by stage. Raises StageError or GraphError.

    All of params.yaml is checked before the first second of work. With a server the lines go to Prefect's log.
    """
    flow = settings.read(root)["flow"]
    if server:
        from pipelines.flow import run  # here only, because importing Prefect takes seconds

        return run(root, at_once=flow["at_once"], retry_seconds=flow["retry_seconds"])
    work = Work.of(root)
    plain.train(work, say, at_once=flow["at_once"], retry_seconds=flow["retry_seconds"])
    work.check()
    return work.outcomes


if __name__ == "__main__":
    sys.exit(main())
