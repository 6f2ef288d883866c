"""Measures the seconds that the flow adds to `dvc repro`, with a Prefect server running, and how long a no-op takes.

`python -m benchmarks.overhead --pairs 4` works in a copy of the project with shrunken parameters and runs the same
stages by both commands in turn. Each run has a seed of its own, so that every stage runs and nothing comes from a
cache; which of a pair comes first alternates.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.projects import change_params, commit_all, copy_tree, make_environment, run_line
from benchmarks.records import write_record

SHRUNKEN: dict[str, Any] = {
    "pretrain": {"epochs": 10, "watch": {"knn_queries": 0}},
    "evaluate": {"shared": {"draws": 10}, "linear": {"epochs": 10}, "logistic": {"c_count": 5}},
}
PORT = 4299
LIMIT, LIMIT_NO_OP = 10.0, 5.0  # seconds
BY_DVC, BY_FLOW = "dvc repro", "python -m pipelines.train"


def main() -> None:
    """Run the pairs and write the record; exit with status 1 where a limit is passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_server(Path(folder)):
        project = Path(folder, "project")
        copy_tree(project)
        change_params(project / "params.yaml", SHRUNKEN)
        commit_all(project, "copied")
        run_line(project, "dvc repro --quiet")  # fills the caches of bytecode and of DVC, which happens only once
        seeds = itertools.count(1)
        pairs = []
        for number in range(asked.pairs):
            order = [BY_DVC, BY_FLOW] if number % 2 else [BY_FLOW, BY_DVC]
            pair: dict[str, Any] = {command: time_stages(project, command, next(seeds)) for command in order}
            pairs.append(pair | {"load": os.getloadavg()[0]})
            print(f"{pairs[-1][BY_DVC]:.1f} s by DVC, {pairs[-1][BY_FLOW]:.1f} s by the flow", flush=True)
        no_op = {
            command: statistics.median(run_line(project, command).seconds for _ in range(3))
            for command in (BY_DVC, f"{BY_FLOW} --no-server", BY_FLOW)
        }
    added = statistics.median(pair[BY_FLOW] - pair[BY_DVC] for pair in pairs)
    print(f"the flow adds {added:.1f} s; without a server nothing to do takes {no_op[f'{BY_FLOW} --no-server']:.1f} s")
    numbers = {"settings": SHRUNKEN, "pairs": pairs, "added_seconds": added, "no_op_seconds": no_op}
    write_record("overhead", numbers, "dvc", "prefect")
    sys.exit(added > LIMIT or no_op[f"{BY_FLOW} --no-server"] > LIMIT_NO_OP)


def time_stages(project: Path, command: str, seed: int) -> float:
    """Run all stages with this seed and return the seconds that they took."""
    change_params(project / "params.yaml", {"data": {"seed": seed}, "pretrain": {"seed": seed}})
    result = run_line(project, command)
    left = run_line(project, "dvc status").output
    if "up to date" not in left:
        raise RuntimeError(f"{command} left something undone:\n{result.output}\n{left}")
    return result.seconds


@contextmanager
def run_server(folder: Path) -> Iterator[None]:
    """Run a Prefect server with a database of its own; the commands inside the context use it."""
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(PORT)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=make_environment(), stdout=log, stderr=log)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{PORT}/api"
    try:
        while not server_answers():
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait()


def server_answers() -> bool:
    """Whether the Prefect server answers."""
    try:
        with urllib.request.urlopen(f"{os.environ['PREFECT_API_URL']}/health", timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError):
        return False


if __name__ == "__main__":
    main()
