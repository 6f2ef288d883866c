"""The processes that inspect images begin and end with the process that started them."""

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

from components.fetch.checks.inspection import inspect_in_processes, start_pool
from components.fetch.sources.candidate import Candidate
from components.stage.errors import RunError
from tests.conftest import ROOT
from tests.fetch.checks.inspectors import delay_some, make_candidates, raise_error


def test_no_process_starts_late() -> None:
    """With Python 3.11 the run would never end if another process died at that moment, of a broken image."""
    with start_pool(3):
        assert len(multiprocessing.active_children()) == 3


def test_a_source_that_fails_ends_the_run_with_its_own_error_and_ends_the_processes() -> None:
    def fail_after_some() -> Iterator[Candidate]:
        yield from make_candidates(100)
        raise RunError("the bucket is gone")

    with pytest.raises(RunError, match="the bucket is gone"):
        list(inspect_in_processes(fail_after_some(), delay_some, workers=2))
    assert not multiprocessing.active_children()


def test_a_mistake_of_ours_shows_its_trace_and_ends_the_processes() -> None:
    with pytest.raises(ZeroDivisionError):
        list(inspect_in_processes(make_candidates(100), raise_error, workers=2))
    assert not multiprocessing.active_children()


def test_who_stops_asking_ends_the_processes() -> None:
    results = inspect_in_processes(make_candidates(1000), delay_some, workers=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


def test_processes_that_cannot_start_are_not_taken_for_broken_images(tmp_path: Path) -> None:
    """The main module of this program cannot be imported again, as each process does."""
    script = tmp_path / "script.py"
    script.write_text(
        "from components.fetch.checks.inspection import inspect_in_processes\n"
        "from tests.fetch.checks.inspectors import delay_some, make_candidates\n"
        "list(inspect_in_processes(make_candidates(3), delay_some, workers=1))\n"
    )
    program = run_script(script)
    _, stderr = program.communicate(timeout=60)
    assert stderr.splitlines()[-1] == (
        "components.stage.errors.RunError: the processes that decode images cannot be started; "
        "what they said stands above"
    )
    assert "RuntimeError" in stderr, "what they said"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills as hard here")
def test_processes_end_with_the_one_that_started_them_even_if_it_is_killed(tmp_path: Path) -> None:
    """Otherwise they would wait for ever, and hold the memory for which the machine killed the parent."""
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from components.fetch.checks.inspection import start_pool\n"
        "if __name__ == '__main__':\n"
        "    pool = start_pool(2)\n"
        "    print(*pool._processes, flush=True)\n"
        "    time.sleep(600)\n"
    )
    program = run_script(script)
    try:
        assert program.stdout
        workers = [psutil.Process(int(word)) for word in program.stdout.readline().split()]
        assert workers
    finally:
        program.kill()
        program.communicate()
    deadline = time.monotonic() + 20
    while any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run_script(script: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, str(script)], env=environment, text=True, stdout=pipe, stderr=pipe)
