"""Projects whose runs take seconds, and commands in them that are killed: what tests of kills and concurrency share."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, Project
from tests.pipelines import tiny
from tests.pipelines.retrain import nights

DVC = ("dvc", "repro")
TRAIN = (sys.executable, "-m", "pipelines.train", "--no-server")
TRAIN_WITH_SERVER = (sys.executable, "-m", "pipelines.train")
REGISTRY = (sys.executable, "-m", "pipelines.registry")
COMPARE = (sys.executable, "-m", "pipelines.compare")
# The command without the drift, which needs the real stages.
RETRAIN = (
    sys.executable,
    "-c",
    "import sys; from pipelines.retrain import __main__ as command, drift; sys.argv = ['retrain']; "
    "drift.measure_drift = lambda *_, **__: None; sys.exit(command.main())",
)
NUMBERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
GONE_SECONDS = 15.0  # a guard may take 8 s on its own, and this machine may be busy
LONGEST = 300.0  # seconds of a command, on however busy a machine
MARK = "TRIAL"  # a variable by which all processes of a trial are found, whatever they are children of

STEPS = 10
# A trainer that hashes a text again and again, and goes on from its checkpoint: its result is the same however often it
# was killed, if checkpoints are whole. It ends with its DVC, as every stage does.
TRAINER = """
import hashlib, os, pathlib, sys, time
from components.stage.process import end_with_dvc
end_with_dvc("train")
state = pathlib.Path("scratch-state")
step, value = state.read_text().split() if state.exists() else (0, pathlib.Path("data").read_text())
for step in range(int(step), STEPS):
    value = hashlib.sha256(value.encode()).hexdigest()
    part = state.with_suffix(f".{os.getpid()}")
    part.write_text(f"{step + 1} {value}")
    part.replace(state)
    time.sleep(0.05)
pathlib.Path("model").write_text(value)
state.unlink(missing_ok=True)
""".replace("STEPS", str(STEPS))
GRAPH = """
stages:
  train:
    cmd: python trainer.py
    deps: [trainer.py, data]
    outs: [model]
    meta: {retries: 1, minutes: 2, tags: []}
  use:
    cmd: cp model used && echo '{"byol":{"accuracy":0.5}}' > score.json
    deps: [model]
    outs: [used]
    metrics: [score.json: {cache: false}]
    meta: {retries: 1, minutes: 2, tags: []}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended that one of its processes was sent a signal."""

    status: int
    printed: str
    itself: bool  # whether the signal was sent to the command and not to a process below it
    after: float  # seconds


def make_toy(folder: Path) -> Project:
    """Make a committed project of two stages that has not run."""
    project = tiny.make_project(folder, GRAPH)
    (project.root / "trainer.py").write_text(TRAINER)
    (project.root / "data").write_text("images")
    (project.root / ".gitignore").write_text("scratch-state*\n/model\n/used\n/__pycache__\n")
    project.commit("toy")
    return project


def compute_model() -> str:
    """Compute what the toy's trainer ends in."""
    value = "images"
    for _ in range(STEPS):
        value = hashlib.sha256(value.encode()).hexdigest()
    return value


def make_registered(folder: Path) -> Project:
    """Make a project with two commits, the first of them a version in production, and with new photos."""
    project = nights.make_project(folder)
    for rate in (1, 2):
        project.change(learn__rate=rate)
        run(project, *TRAIN)
        project.commit(f"rate {rate}")
    nights.take_photos(project.root / "photos", range(100, 250))
    run(project, *REGISTRY, "register", "HEAD^")
    run(project, *REGISTRY, "promote", "v0.1.0")
    run(project, *REGISTRY, "register")
    return project


def copy(project: Project, folder: Path) -> Project:
    """Copy a project anew, with the Git and DVC remotes beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(project.root.parent, folder, symlinks=True)
    for path in (folder / "project/.git/config", folder / "project/.dvc/config"):
        path.write_text(path.read_text().replace(str(project.root.parent), str(folder)))
    return Project(folder / "project")


def start(project: Project, command: Sequence[str], mark: str = "") -> subprocess.Popen[str]:
    """Start a command of the user's, whose processes can be found by the mark."""
    return subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment | {"PYTHONPATH": str(ROOT), MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(project: Project, *command: str, status: int = 0) -> str:
    """Run a command to its end and return what it printed."""
    process = start(project, command)
    printed, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == status, f"{' '.join(command)} ended with {process.returncode}:\n{printed}"
    return printed


def strike(project: Project, command: Sequence[str], moments: random.Random, seconds: float) -> Ended:
    """Start a command, send a signal to one of its processes within these seconds, and wait until all are gone."""
    mark, number, after = uuid.uuid4().hex, moments.choice(NUMBERS), moments.uniform(0, seconds)
    process = start(project, command, mark)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        victims = list_marked(mark) or [process.pid]  # it may have ended in this moment, and is not waited for yet
        victim = moments.choice(victims) if moments.random() < 0.5 else victims[0]
        with suppress(ProcessLookupError):
            os.kill(victim, number)
        printed, _ = process.communicate(timeout=LONGEST)
    else:
        printed, victim = process.communicate()[0], 0
    until = time.monotonic() + GONE_SECONDS
    while left := list_marked(mark):
        if time.monotonic() > until:
            names = [psutil.Process(pid).cmdline()[-3:] for pid in left]
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            pytest.fail(f"processes live on: {names}")
        time.sleep(0.1)
    return Ended(process.returncode, printed, victim == process.pid and number != signal.SIGKILL, after)


def list_marked(mark: str) -> list[int]:
    """List the numbers of the running processes with the mark, the first begun first."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append((process.create_time(), process.pid))
        except psutil.Error:
            continue
    return [pid for _, pid in sorted(found)]


def measure_seconds(project: Project, command: Sequence[str]) -> float:
    """Run a command to its end and return how long that took."""
    began = time.monotonic()
    run(project, *command)
    return time.monotonic() - began


def hash_files(root: Path, names: Sequence[str]) -> str:
    """Hash some files of a project."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + (root / name).read_bytes())
    return digest.hexdigest()
