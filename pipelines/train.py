"""`python -m pipelines.train`: the whole graph as a Prefect flow; `--no-server`: the same stages without Prefect."""

import argparse
import signal
import sys
from pathlib import Path

from pipelines import graph, runner, summary

OTHER_ERROR = 1
INTERRUPTED, TERMINATED = 130, 143  # 128 + the signal, as shells have it


def main() -> int:
    """Run the graph; returns the exit status: 0 done, 2 the user's input is wrong, 1 anything else."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.train", description="Bring every stage up to date.")
    parser.add_argument("--no-server", action="store_true", help="the same stages without Prefect")
    without_server = parser.parse_args().no_server
    root = Path.cwd()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the stage's processes are ended too
    try:
        runner.check_parameters(root, lambda line: print(line, file=sys.stderr))
        stages = graph.read_stages(root)
        outcomes = train_plainly(stages, root) if without_server else train_with_prefect(root)
        stale = graph.changes(root)
    except runner.StageError as error:
        print(error, file=sys.stderr)
        return error.status if error.status == runner.USER_ERROR else OTHER_ERROR
    except graph.GraphError as error:
        print(f"dvc.yaml: {error}", file=sys.stderr)
        return runner.USER_ERROR
    except KeyboardInterrupt:
        print(
            "interrupted; finished stages are kept, and pretraining goes on from its last checkpoint", file=sys.stderr
        )
        return INTERRUPTED
    if stale:
        print(f"not up to date after the run, was something edited meanwhile? {', '.join(stale)}", file=sys.stderr)
        return OTHER_ERROR
    summary.show(stages, outcomes, graph.metrics(root), root)
    return 0


def train_plainly(stages: list[graph.Stage], root: Path) -> dict[str, str]:
    """Every stage in turn, its lines straight to the terminal."""
    outcomes = {}
    for stage in stages:
        outcomes[stage.name] = runner.bring_up_to_date(stage, root, print)
        print(f"{stage.name}: {outcomes[stage.name]}", flush=True)
    return outcomes


def train_with_prefect(root: Path) -> dict[str, str]:
    """The same as a flow; Prefect is imported only here, because that takes seconds."""
    from pipelines.flow import train

    return train(root)


if __name__ == "__main__":
    sys.exit(main())
