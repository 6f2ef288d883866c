"""Kills `dvc repro` at random moments and restarts it until it is done: is the encoder the same, bit for bit?

`python -m benchmarks.kills --kills 20` works in a copy of the project in a folder of its own; the uninterrupted run
comes first. Every kill is a SIGKILL to the whole process group, so that nothing can tidy up; the moments are spread
over the whole run, from the first import on. `--objective article` measures that objective.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.projects import change_params, commit_all, copy_tree, make_environment, run_line
from benchmarks.records import write_record

WEIGHTS = Path("models/encoder/encoder.safetensors")
CHECKPOINT_SECONDS = 0.5
LONGEST = 16.0  # seconds before a kill, at most


def main() -> None:
    """Run, kill, compare and write the record; exit with status 1 where a bit differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="decides the moments of the kills")
    parser.add_argument("--objective", default="byol", help="pretrain.objective")
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder, "project"), asked.objective)
        began = time.monotonic()
        reproduce(project)
        seconds = time.monotonic() - began
        uninterrupted, kills, runs, resumed, same = hash_weights(project), 0, 0, 0, True
        while same and (kills < asked.kills or not runs):
            done, output = reproduce(project, moments.uniform(0, LONGEST) if kills < asked.kills else None)
            resumed += "going on after step" in output
            if done:
                runs += 1
                same = hash_weights(project) == uninterrupted
            else:
                kills += 1
            print(f"{kills} kills, {resumed} times resumed, {runs} runs done, the same bits: {same}", flush=True)
    settings = {"checkpoint_seconds": CHECKPOINT_SECONDS, "longest_seconds": LONGEST, "seed": asked.seed}
    counts = {"kills": kills, "resumed": resumed, "runs": runs, "same_bits": same, "seconds_uninterrupted": seconds}
    name = "kills" if asked.objective == "byol" else f"kills-{asked.objective}"
    write_record(name, {"settings": settings, **counts}, "torch", "dvc")
    sys.exit(not same)


def copy_project(to: Path, objective: str) -> Path:
    """Copy the project, set frequent checkpoints and the objective, and fetch the data."""
    copy_tree(to)
    change_params(to / "params.yaml", {"pretrain": {"checkpoint_seconds": CHECKPOINT_SECONDS, "objective": objective}})
    commit_all(to, "copied")
    run_line(to, "dvc repro --quiet fetch")
    return to


def reproduce(project: Path, kill_after: float | None = None) -> tuple[bool, str]:
    """Run `dvc repro` of the pretraining, never from a cache; return whether it finished, and its output."""
    log = project.parent / "log"
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache", "--single-item", "pretrain"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=project, env=make_environment(), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    output = log.read_text()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"dvc repro ended with {process.returncode}:\n{output}")
    return process.returncode == 0, output


def hash_weights(project: Path) -> str:
    """Return the SHA-256 of the encoder's weights."""
    return hashlib.sha256((project / WEIGHTS).read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
