"""Small repositories whose stages are simple; the real flows run on them, and the real check of params.yaml."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from dvc.repo import Repo

from tests.conftest import ROOT, Project, set_params

# Stands in for a trainer: it starts a worker in its own session, as torchrun does, which ignores SIGTERM, and writes a
# checkpoint ten times per second, from which a second run goes on.
TRAINER = """
import pathlib, subprocess, sys, time
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(120)"
worker = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
state = pathlib.Path("scratch")
step = int(state.read_text()) if state.exists() else 0
if step:
    print(f"train: going on after step {step}", flush=True)
for step in range(step, 20 if step else 1000):
    state.write_text(str(step))
    print(f"train: {step} of 1,000 images, 10 a second, 9 s left, epoch {step} of 1000, loss 0.5", flush=True)
    time.sleep(0.1)
worker.kill()
pathlib.Path("model").write_text("trained")
"""
TRAINING = """
stages:
  train:
    cmd: python trainer.py
    deps: [trainer.py]
    outs: [model]
    meta: {retries: 3, minutes: 2, tags: [gpu]}
  use:
    cmd: cp model used
    deps: [model]
    outs: [used]
    meta: {retries: 0, minutes: 2, tags: []}
"""


def make_project(folder: Path, stages: str, **flow: Any) -> Project:
    """Make a repository with these stages and nothing run; `flow`: settings of that section of params.yaml."""
    project = Project(folder / "project")
    (folder / "home").mkdir(parents=True)
    project.root.mkdir()
    subprocess.run(["git", "init", "--quiet", project.root], check=True)
    Repo.init(str(project.root)).close()
    (project.root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    autostage = true\n")
    for package in ("components", "pipelines"):
        (project.root / package).symlink_to(ROOT / package)
    shutil.copy(ROOT / "params.yaml", project.root / "params.yaml")
    set_params(
        project.root / "params.yaml", {f"flow.{key}": value for key, value in {"retry_seconds": 0, **flow}.items()}
    )
    (project.root / "dvc.yaml").write_text(stages)
    (project.root / "trainer.py").write_text(TRAINER)
    return project


def build_environment(**more: str) -> dict[str, str]:
    """Return the environment of the tests with these variables added."""
    return os.environ | more


@contextmanager
def start_train(project: Project, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m pipelines.train` in the background; SIGTERM ends it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.train", *arguments],
        cwd=project.root,
        env=build_environment(PREFECT_HOME=str(project.root.parent / "home" / ".prefect")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def list_descendants(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    """List every process that the process has started, in whatever session."""
    return psutil.Process(process.pid).children(recursive=True)


def list_survivors(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """List the processes that still run after so many seconds; a zombie does not run."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """Kill a process and all below it, if the tests do not care how it ends."""
    for running in [*list_descendants(process), process]:
        running.kill()
    process.wait()
