"""`dvc repro` killed at random moments and begun again until it is done: is the encoder the same, bit for bit?

`python -m benchmarks.kills --kills 20` works in a copy of the project in a folder of its own; the uninterrupted run
comes first. Every kill is a SIGKILL to the whole process group, so that nothing can tidy up; the moments are spread
over all that a run does, from the first import on. `--objective article` does it with that objective.
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

from benchmarks.projects import change, commit, copy_tree, environment, typed
from benchmarks.records import write_record

WEIGHTS = Path("models/encoder/encoder.safetensors")
CHECKPOINT_SECONDS = 0.5
LONGEST = 16.0  # seconds until a kill, at most


def main() -> None:
    """Run, kill, compare, write the record; exit status 1 where a bit differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--objective", default="byol", help="pretrain.objective")
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder, "project"), asked.objective)
        began = time.monotonic()
        repro(project)
        seconds = time.monotonic() - began
        whole, kills, runs, resumed, same = digest(project), 0, 0, 0, True
        while same and (kills < asked.kills or not runs):
            done, said = repro(project, moments.uniform(0, LONGEST) if kills < asked.kills else None)
            resumed += "going on after step" in said
            if done:
                runs += 1
                same = digest(project) == whole
            else:
                kills += 1
            print(f"{kills} kills, {resumed} times resumed, {runs} runs done, the same bits: {same}", flush=True)
    settings = {"checkpoint_seconds": CHECKPOINT_SECONDS, "longest_seconds": LONGEST, "seed": asked.seed}
    found = {"kills": kills, "resumed": resumed, "runs": runs, "same_bits": same, "seconds_uninterrupted": seconds}
    name = "kills" if asked.objective == "byol" else f"kills-{asked.objective}"
    write_record(name, {"settings": settings, **found}, "torch", "dvc")
    sys.exit(not same)


def copy_project(to: Path, objective: str) -> Path:
    """The tree with its data fetched and frequent checkpoints."""
    copy_tree(to)
    change(to / "params.yaml", {"pretrain": {"checkpoint_seconds": CHECKPOINT_SECONDS, "objective": objective}})
    commit(to, "copied")
    typed(to, "dvc repro --quiet fetch")
    return to


def repro(project: Path, kill_after: float | None = None) -> tuple[bool, str]:
    """`dvc repro` of the pretraining, always run, never taken from a cache: whether it got done, and what it said."""
    log = project.parent / "log"
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache", "--single-item", "pretrain"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=project, env=environment(), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = log.read_text()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"dvc repro ended with {process.returncode}:\n{said}")
    return process.returncode == 0, said


def digest(project: Path) -> str:
    """Of the weights."""
    return hashlib.sha256((project / WEIGHTS).read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
