"""Tests that a stage ends with the DVC that runs it, behind whatever launcher, and that one begun by hand does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT

STAGE = """
import os, time
from components.stage import process
process.LOOK_SECONDS = 0.1
process.end_with_dvc("train")
print(os.getpid(), flush=True)
time.sleep(60)
"""
LAUNCHER = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]], start_new_session=True)  # as torchrun starts its workers
"""
RUNNER = """
import os, subprocess, sys
subprocess.run(sys.argv[2:], env=os.environ | ({"DVC_STAGE": "train"} if sys.argv[1] == "dvc" else {}))
"""


def start(tmp_path: Path, runner: str, *command: str) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """Start a command under a process that stands for DVC or a shell; return both it and the stage, which is ready."""
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"}
    printed = tmp_path / "printed"
    with printed.open("w") as file:
        above = subprocess.Popen(
            [sys.executable, "-c", RUNNER, runner, *command],
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # not that of the machine's first process, which might then be DVC itself
        )
    until = time.monotonic() + 30
    while not printed.read_text().endswith("\n"):
        assert time.monotonic() < until
        time.sleep(0.05)
    return above, psutil.Process(int(printed.read_text()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("launcher", ["shell", "torchrun"])
def test_a_stage_ends_with_its_dvc(tmp_path: Path, number: int, launcher: str) -> None:
    shell = ["sh", "-c", f'"{sys.executable}" -c "$1"; true', "sh", STAGE]
    torchrun = [sys.executable, "-c", LAUNCHER, STAGE]
    above, stage = start(tmp_path, "dvc", *(shell if launcher == "shell" else torchrun))
    above.send_signal(number)  # not reaped, as by a program that does not look: a zombie is gone too
    stage.wait(10)
    above.wait()


def test_a_stage_whose_dvc_was_gone_before_it_began_ends(tmp_path: Path) -> None:
    early = 'print(os.getpid(), flush=True)\ntime.sleep(1)\nprocess.end_with_dvc("train")'
    code = STAGE.replace('process.end_with_dvc("train")\nprint(os.getpid(), flush=True)', early)
    above, stage = start(tmp_path, "dvc", sys.executable, "-c", code)
    above.kill()
    above.wait()
    if stage.parent() == psutil.Process(1):  # and not another that takes orphans in
        stage.wait(10)
    else:
        stage.kill()


def test_a_stage_that_was_begun_by_hand_outlives_the_shell(tmp_path: Path) -> None:
    above, stage = start(tmp_path, "shell", sys.executable, "-c", STAGE)
    above.kill()
    above.wait()
    time.sleep(0.5)
    assert stage.is_running()
    stage.kill()
