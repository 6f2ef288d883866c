"""The whole graph without Prefect: what runs at once, what a failure stops, and that no process outlives the flow."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.errors import CANCELLED, TIMED_OUT, GraphError, Say, StageError
from pipelines.train import graph, plain
from pipelines.train.graph import Stage
from pipelines.train.runner import RAN, UP_TO_DATE
from pipelines.train.work import FAILED, NOT_STARTED, Work
from tests.pipelines import tiny

TOGETHER = """
stages:
  together:
    matrix: {n: [a, b, c, d]}
    cmd: >-
      touch started-${item.n} &&
      until test -f started-a -a -f started-b -a -f started-c -a -f started-d; do sleep 0.1; done &&
      echo ${item.n} > ${item.n}
    deps: [shared]
    outs: ["${item.n}"]
    meta: {retries: 0, minutes: 1, tags: []}
"""


class Pretended(Work):
    """Work whose stages take a moment and crash as often as they are told to, with these exit statuses."""

    def __init__(self, stages: list[Stage], crashes: dict[str, list[int]]) -> None:
        super().__init__(Path(), stages, set())
        self.crashes, self.tries, self.now, self.most = crashes, [], 0, 0
        self.counting = threading.Lock()

    def update_stage(self, stage: Stage, say: Say) -> str:
        """Pretend to bring a stage up to date."""
        with self.counting:
            self.tries.append(stage.name)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        say("a line")
        with self.counting:
            self.now -= 1
        if self.crashes.get(stage.name):
            raise StageError(stage.name, self.crashes[stage.name].pop(0))
        return super().update_stage(stage, say)


def stage(name: str, *needs: str, retries: int = 0) -> Stage:
    return Stage(name, name, "", needs, (), (), (), retries, 1, ())


def run(work: Work, at_once: int) -> list[str]:
    said: list[str] = []
    plain.train(work, said.append, at_once=at_once, retry_seconds=0)
    return said


def test_four_stages_at_once_with_a_real_dvc_lose_nothing(tmp_path: Path) -> None:
    root = tiny.make_project(tmp_path, TOGETHER).root
    (root / "shared").write_text("read by all")
    work = Work.from_checkout(root)
    said = run(work, at_once=4)
    work.check_outcomes()
    assert set(work.outcomes.values()) == {RAN}, said
    assert len(YAML(typ="safe").load(root / "dvc.lock")["stages"]) == 4
    assert graph.find_changes(root) == {}
    again = Work.from_checkout(root)
    run(again, at_once=4)
    assert set(again.outcomes.values()) == {UP_TO_DATE}


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_stages_run_at_once_than_params_say(at_once: int) -> None:
    work = Pretended([stage(name) for name in "abcd"], {})
    said = run(work, at_once)
    assert work.most == at_once
    prefixed = any(line.endswith(" | a line") for line in said)
    assert prefixed == (at_once > 1), "whose line it is, is said where it could be another's"


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    stages = [stage("a"), stage("b"), stage("c"), stage("after_a", "a"), stage("after_b", "b"), stage("all", "a", "b")]
    work = Pretended(stages, {"a": [1]})
    run(work, at_once=2)
    assert [name for name, outcome in work.outcomes.items() if outcome == UP_TO_DATE] == ["b", "c", "after_b"]
    assert [name for name, outcome in work.outcomes.items() if outcome == NOT_STARTED] == ["after_a", "all"]
    assert work.outcomes["a"] == FAILED
    with pytest.raises(StageError, match="a"):
        work.check_outcomes()


@pytest.mark.parametrize(
    ("statuses", "tries"), [([1, 1], 3), ([1, 1, 1], 3), ([2], 1), ([TIMED_OUT], 1), ([CANCELLED], 1)]
)
def test_a_crash_is_tried_again_and_nothing_that_cannot_help(statuses: list[int], tries: int) -> None:
    work = Pretended([stage("a", retries=2)], {"a": list(statuses)})
    run(work, at_once=1)
    assert len(work.tries) == tries
    assert bool(work.errors) == (tries != 3 or len(statuses) == 3)


def test_an_interrupt_lets_nothing_start_any_more() -> None:
    work = Pretended([stage(name) for name in "abcd"], {})

    def interrupt(line: str) -> None:
        if line.startswith("a:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plain.train(work, interrupt, at_once=1, retry_seconds=0)
    assert work.tries == ["a"]
    assert work.processes.ended.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_whatever_ends_the_flow_ends_the_training_and_the_next_run_goes_on(number: int, tmp_path: Path) -> None:
    project = tiny.make_project(tmp_path, tiny.TRAINING)
    state = project.root / "scratch"
    with tiny.start_train(project, "--no-server") as flow:
        tiny.wait_for(lambda: state.exists() and state.read_text() not in ("", "0"))
        processes = tiny.list_descendants(flow)
        assert len(processes) >= 4, "guard, dvc, trainer and its worker"
        flow.send_signal(number)
        assert tiny.list_survivors(processes, 10) == []
        flow.wait(10)
    assert "train" in json.loads(project.run("dvc", "status", "--json")), "no lock is left"
    if number == signal.SIGKILL:
        assert "going on after step" in project.run("python", "-m", "pipelines.train", "--no-server")
        assert graph.find_changes(project.root) == {}


# Process 1 stands for one that got the number of a killed DVC after a restart: it is younger than the list.
@pytest.mark.parametrize("left", ['{"write": {', "null", '{"write": {"ROOT/model": {"pid": 1, "cmd": "dvc repro"}}}'])
def test_a_list_of_files_in_use_that_a_killed_dvc_left_stops_no_later_run(tmp_path: Path, left: str) -> None:
    root = tiny.make_project(tmp_path, tiny.TRAINING).root
    used = root / ".dvc" / "tmp" / "rwlock"
    used.parent.mkdir(exist_ok=True)
    used.write_text(left.replace("ROOT", str(root)))
    os.utime(used, (0, 0))
    assert Work.from_checkout(root).stale == {"train", "use"}


@pytest.mark.parametrize("half", ["", "schema: '2.0'\nstages:\n  train:\n    cm"])
def test_a_lock_file_that_a_killed_dvc_wrote_by_half_stops_no_later_run(tmp_path: Path, half: str) -> None:
    root = tiny.make_project(tmp_path, tiny.TRAINING).root
    (root / "dvc.lock").write_text(half)
    assert Work.from_checkout(root).stale == {"train", "use"}
    assert (root / ".dvc" / "tmp" / "dvc.lock.half").read_text() == half, "nothing is thrown away"


def test_a_lock_file_with_a_conflict_is_the_users_to_solve(tmp_path: Path) -> None:
    root = tiny.make_project(tmp_path, tiny.TRAINING).root
    (root / "dvc.lock").write_text("<<<<<<< HEAD\n=======\n>>>>>>> theirs\n")
    with pytest.raises(GraphError, match=r"dvc\.lock"):
        Work.from_checkout(root)
