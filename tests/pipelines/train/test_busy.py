"""Tests that a busy DVC is waited for once, wherever it is met, and that two runs of one graph take turns."""

import threading
import time
from pathlib import Path

import dvc.lock
import pytest
from dvc.lock import make_lock

from pipelines.errors import LockedError
from pipelines.train import busy, graph
from tests.pipelines import tiny


def test_what_reads_the_graph_waits_for_another_dvc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvc.lock, "DEFAULT_TIMEOUT", 0.1)
    root = tiny.make_project(tmp_path, tiny.TRAINING).root
    lock = make_lock(str(root / ".dvc" / "tmp" / "lock"))
    lock.lock()
    threading.Timer(0.5, lock.unlock).start()
    assert "train" in graph.find_changes(root)
    assert capsys.readouterr().out.count("another DVC is at work here; waiting for it") == 1


def test_a_wait_within_a_wait_is_said_and_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "BUSY_SECONDS", 0.5)
    said: list[str] = []
    calls: list[float] = []

    @busy.waits
    def inner() -> None:
        calls.append(time.monotonic())
        raise LockedError("held")

    with pytest.raises(LockedError, match="held"):
        busy.wait_while_busy(inner, said.append)
    assert len(said) == 1
    assert len(calls) == 2


def test_a_second_run_waits_for_the_first_and_then_has_its_turn(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with busy.take_turn(tmp_path, said.append):
            order.append("second")

    with busy.take_turn(tmp_path, said.append):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert said == ["another pipelines.train is at work here; waiting for it"]


def test_without_a_repository_nothing_is_written(tmp_path: Path) -> None:
    with busy.take_turn(tmp_path, print):
        assert list(tmp_path.iterdir()) == []
