"""Tests reading the graph from DVC and running one stage at a time, in a small pipeline."""

import subprocess
import threading
from pathlib import Path

import pytest
from dvc.lock import make_lock
from dvc.repo import Repo

from pipelines.errors import TIMED_OUT, GraphError, Say, StageError
from pipelines.train import busy, graph, runner

PIPELINE = """
stages:
  second:
    cmd: python -c "open('b', 'w').write(open('a').read())"
    deps: [a]
    outs: [b]
    meta: {retries: 1, minutes: 2, tags: [gpu]}
  first:
    desc: Make a
    cmd: python -c "print('hello from first'); open('a', 'w').write(open('source').read())"
    deps: [source]
    outs: [a]
    meta: {retries: 0, minutes: 1, tags: []}
  wrong:
    cmd: python -c "import sys; sys.exit(2)"
    deps: [b]
    outs: [c]
    meta: {retries: 0, minutes: 1, tags: []}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    Repo.init(str(tmp_path)).close()
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "source").write_text("1")
    return tmp_path


def test_each_stage_comes_after_those_it_needs(root: Path) -> None:
    stages = graph.read_stages(root)
    assert [stage.name for stage in stages] == ["first", "second", "wrong"]
    assert [stage.needs for stage in stages] == [(), ("first",), ("second",)]
    assert (stages[0].description, stages[0].minutes, stages[1].retries) == ("Make a", 1, 1)
    assert stages[1].outputs == (Path("b"),)
    assert [stage.tags for stage in stages] == [(), ("gpu",), ()]


def test_images_that_dvc_tracks_are_no_stage(root: Path) -> None:
    with Repo(str(root)) as repo:
        repo.add(str(root / "source"))
    assert [stage.needs for stage in graph.read_stages(root)] == [(), ("first",), ("second",)]
    assert "first" in graph.find_changes(root)


def test_stages_have_the_same_names_wherever_the_flow_was_started(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert set(graph.find_changes(root)) == {"first", "second", "wrong"}


def test_a_stage_runs_once_and_again_only_when_its_input_changes(root: Path) -> None:
    first, second, _ = graph.read_stages(root)
    said: list[str] = []
    assert runner.bring_up_to_date(first, root, said.append) == runner.RAN
    assert "hello from first" in said
    assert runner.bring_up_to_date(first, root, said.append) == runner.UP_TO_DATE
    assert runner.bring_up_to_date(second, root, said.append) == runner.RAN
    (root / "source").write_text("2")
    assert runner.bring_up_to_date(first, root, said.append) == runner.RAN
    assert runner.bring_up_to_date(second, root, said.append) == runner.RAN
    assert (root / "b").read_text() == "2"


def test_the_status_of_the_stage_is_told_and_not_dvcs(root: Path) -> None:
    first, second, wrong = graph.read_stages(root)
    for stage in (first, second):
        runner.bring_up_to_date(stage, root, print)
    with pytest.raises(StageError) as caught:
        runner.bring_up_to_date(wrong, root, print)
    assert caught.value.status == 2


def test_a_broken_dvc_yaml_is_one_line(root: Path) -> None:
    (root / "dvc.yaml").write_text("stages: {a: {cmmd: x}}")
    with pytest.raises(GraphError) as caught:
        graph.read_stages(root)
    assert "\n" not in str(caught.value)


def test_another_dvc_at_work_is_waited_for(root: Path) -> None:
    lock = make_lock(str(root / ".dvc" / "tmp" / "lock"))
    lock.lock()
    threading.Timer(4, lock.unlock).start()  # DVC itself gives up after 3 seconds
    said: list[str] = []
    assert runner.bring_up_to_date(graph.read_stages(root)[0], root, said.append) == runner.RAN
    assert "another DVC is at work here; waiting for it" in said


def test_a_repository_that_stays_locked_is_an_error_that_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "BUSY_SECONDS", 0)
    lock = make_lock(str(root / ".dvc" / "tmp" / "lock"))
    with lock, pytest.raises(StageError, match="first: Unable to acquire lock"):
        runner.bring_up_to_date(graph.read_stages(root)[0], root, print)


def test_a_file_in_use_makes_dvc_wait_and_not_fail(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = iter([["ERROR: 'a' is busy, it is being blocked by:", "  (PID 1): dvc push"], []])

    def run(command: object, *, cwd: Path, minutes: float, say: Say) -> int:
        lines = next(outputs)
        for line in lines:
            say(line)
        return 255 if lines else 0

    assert runner.bring_up_to_date(graph.read_stages(root)[0], root, print, run) == runner.RAN


@pytest.mark.parametrize(
    ("status", "helps"), [(1, True), (255, True), (-9, True), (2, False), (TIMED_OUT, False), (130, False)]
)
def test_a_retry_is_for_crashes_only(status: int, helps: bool) -> None:
    assert StageError("", status).is_retryable == helps
