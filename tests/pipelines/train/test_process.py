"""Tests stages as processes: their lines come at once, their status is returned, and none of them stays behind."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from pipelines.errors import EndedError, TimeLimitError
from pipelines.train import process


def python_command(code: str) -> list[str]:
    """Return a command that runs this code."""
    return [sys.executable, "-c", code]


def is_gone(pid: int) -> bool:
    """Whether the process ends within two seconds; a signal takes effect a moment after it is sent."""
    for _ in range(20):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 1.0)


GRANDCHILD = """
import subprocess, sys, time
stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)  # as torchrun starts its workers
time.sleep(1)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_lines_come_while_the_command_runs_and_the_status_at_the_end(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    code = "import sys, time; print('a'); time.sleep(1.5); print('b', file=sys.stderr); sys.exit(7)"
    status = process.run(
        python_command(code), cwd=tmp_path, minutes=1, say=lambda line: seen.append((line, time.monotonic()))
    )
    assert status == 7
    assert [line for line, _ in seen] == ["a", "b"]
    assert seen[1][1] - seen[0][1] > 1, "not kept back until the end"


def test_a_command_heeds_an_interrupt_where_the_flow_was_begun_with_it_ignored(tmp_path: Path) -> None:
    """A script's background jobs are begun so. DVC, deaf to the signal, would be killed with its locks held."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    said: list[str] = []
    try:
        code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
        process.run(python_command(code), cwd=tmp_path, minutes=1, say=said.append)
    finally:
        signal.signal(signal.SIGINT, before)
    assert said == ["False"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_past_its_time_limit_the_whole_group_is_ended(tmp_path: Path) -> None:
    seen: list[str] = []
    with pytest.raises(TimeLimitError, match="time limit"):
        process.run(python_command(GRANDCHILD), cwd=tmp_path, minutes=3 / 60, say=seen.append)
    assert is_gone(int(seen[0]))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_an_interrupt_ends_the_whole_group_even_what_ignores_sigterm(tmp_path: Path) -> None:
    seen: list[str] = []

    def interrupt(line: str) -> None:
        seen.append(line)
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        process.run(python_command(GRANDCHILD), cwd=tmp_path, minutes=1, say=interrupt)
    assert time.monotonic() - began < 10
    assert is_gone(int(seen[0]))


def test_python_is_the_one_that_runs_the_flow(tmp_path: Path) -> None:
    seen: list[str] = []
    process.run(["python", "-c", "import sys; print(sys.prefix)"], cwd=tmp_path, minutes=1, say=seen.append)
    assert seen == [sys.prefix]


def test_no_line_that_is_passed_on_holds_a_secret(tmp_path: Path) -> None:
    seen: list[str] = []
    code = "print('fatal: https://user:S3CR@host/r.git: 403'); print('GET /a?X-Amz-Signature=S3CR HTTP/1.1')"
    process.run(python_command(code), cwd=tmp_path, minutes=1, say=seen.append)
    assert seen == ["fatal: https://***@host/r.git: 403", "GET /a?X-Amz-Signature=*** HTTP/1.1"]


def test_no_timer_is_left_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    process.run(python_command("pass"), cwd=tmp_path, minutes=60, say=print)
    time.sleep(0.1)
    assert threading.active_count() <= before


def test_a_worker_that_the_command_forgot_does_not_outlive_it(tmp_path: Path) -> None:
    seen: list[str] = []
    forgetful = GRANDCHILD.replace("time.sleep(60)\n", "")
    assert process.run(python_command(forgetful), cwd=tmp_path, minutes=1, say=seen.append) == 0
    assert is_gone(int(seen[0]))


def test_ending_all_from_another_thread_ends_what_runs_and_starts_nothing(tmp_path: Path) -> None:
    processes, seen = process.Processes(), []
    threading.Timer(2, processes.end).start()
    with pytest.raises(EndedError):
        processes.run(python_command(GRANDCHILD), cwd=tmp_path, minutes=1, say=seen.append)
    assert is_gone(int(seen[0]))
    with pytest.raises(EndedError):
        processes.run(python_command("print('too late')"), cwd=tmp_path, minutes=1, say=seen.append)
    assert "too late" not in seen


def test_a_guard_that_is_killed_leaves_no_call_that_waits_forever(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(60)"
    seen: list[str] = []

    def kill_guard(line: str) -> None:
        seen.append(line)
        os.kill(int(line.split()[1]), signal.SIGKILL)

    began = time.monotonic()
    assert process.run(python_command(code), cwd=tmp_path, minutes=1, say=kill_guard) == -signal.SIGKILL
    assert time.monotonic() - began < 10
    assert is_gone(int(seen[0].split()[0]))


def test_the_commands_own_status_comes_through_the_guard(tmp_path: Path) -> None:
    assert process.run(python_command("import os; os.kill(os.getpid(), 9)"), cwd=tmp_path, minutes=1, say=print) == 137
    assert process.run(python_command("raise SystemExit(2)"), cwd=tmp_path, minutes=1, say=print) == 2


def test_what_runs_together_is_ended_together() -> None:
    with process.share_processes() as processes:
        assert process.get_processes() is processes
        processes.end()
        with pytest.raises(EndedError):
            process.run(["true"], cwd=Path(), minutes=1, say=print)
    assert process.get_processes() is not processes
