"""The processes that look into images begin and end with whoever asked for them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from components.fetch.checks.inspect import Fault, Seen
from components.fetch.checks.inspection import look_at_all
from components.fetch.sources.candidate import Candidate
from components.stage.errors import RunError
from tests.conftest import ROOT
from tests.fetch.checks.test_inspection import candidates, slow_first


def fails(candidate: Candidate) -> Seen | Fault:
    raise ZeroDivisionError(candidate.path)


def test_a_source_that_fails_ends_the_run_with_its_own_error_and_ends_the_processes() -> None:
    def failing() -> Iterator[Candidate]:
        yield from candidates(100)
        raise RunError("the bucket is gone")

    with pytest.raises(RunError, match="the bucket is gone"):
        list(look_at_all(failing(), slow_first, workers=2))
    assert not multiprocessing.active_children()


def test_a_mistake_of_ours_shows_its_trace_and_ends_the_processes() -> None:
    with pytest.raises(ZeroDivisionError):
        list(look_at_all(candidates(100), fails, workers=2))
    assert not multiprocessing.active_children()


def test_who_stops_asking_ends_the_processes() -> None:
    found = look_at_all(candidates(1000), slow_first, workers=2)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


def test_processes_that_cannot_start_are_not_taken_for_broken_images(tmp_path: Path) -> None:
    """A program whose main module cannot be imported again, as each process does it."""
    script = tmp_path / "script.py"
    script.write_text(
        "from components.fetch.checks.inspection import look_at_all\n"
        "from tests.fetch.checks.test_inspection import candidates, slow_first\n"
        "list(look_at_all(candidates(3), slow_first, workers=1))\n"
    )
    done = run_script(script)
    _, said = done.communicate(timeout=60)
    assert said.splitlines()[-1] == (
        "components.stage.errors.RunError: the processes that decode images cannot be started; "
        "what they said stands above"
    )
    assert "RuntimeError" in said, "what they said"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills as hard here")
def test_processes_end_with_the_one_that_started_them_even_if_it_is_killed(tmp_path: Path) -> None:
    """Else they would wait for ever, and hold the memory that a machine killed it for."""
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from components.fetch.checks.inspection import start\n"
        "if __name__ == '__main__':\n"
        "    pool = start(2)\n"
        "    print(*pool._processes, flush=True)\n"
        "    time.sleep(600)\n"
    )
    done = run_script(script)
    try:
        assert done.stdout
        workers = [psutil.Process(int(word)) for word in done.stdout.readline().split()]
        assert workers
    finally:
        done.kill()
        done.communicate()
    until = time.monotonic() + 20
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in workers):
        assert time.monotonic() < until
        time.sleep(0.1)


def run_script(script: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, str(script)], env=environment, text=True, stdout=pipe, stderr=pipe)
