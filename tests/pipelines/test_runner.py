"""The graph read from DVC, one stage at a time, in a pipeline small enough to see through."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import graph, runner

PIPELINE = """
stages:
  second:
    cmd: python -c "open('b', 'w').write(open('a').read())"
    deps: [a]
    outs: [b]
    meta: {retries: 1, minutes: 2, gpu: false}
  first:
    desc: Make a
    cmd: python -c "print('hello from first'); open('a', 'w').write(open('source').read())"
    deps: [source]
    outs: [a]
    meta: {retries: 0, minutes: 1, gpu: false}
  wrong:
    cmd: python -c "import sys; sys.exit(2)"
    deps: [b]
    outs: [c]
    meta: {retries: 0, minutes: 1, gpu: false}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "source").write_text("1")
    return tmp_path


def test_each_stage_comes_after_those_it_needs(root: Path) -> None:
    stages = graph.read_stages(root)
    assert [stage.name for stage in stages] == ["first", "second", "wrong"]
    assert [stage.needs for stage in stages] == [(), ("first",), ("second",)]
    assert (stages[0].description, stages[0].minutes, stages[1].retries) == ("Make a", 1, 1)
    assert stages[1].outputs == (Path("b"),)


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
    with pytest.raises(runner.StageError) as caught:
        runner.bring_up_to_date(wrong, root, print)
    assert caught.value.status == 2


def test_a_broken_dvc_yaml_is_one_line(root: Path) -> None:
    (root / "dvc.yaml").write_text("stages: {a: {cmmd: x}}")
    with pytest.raises(graph.GraphError) as caught:
        graph.read_stages(root)
    assert "\n" not in str(caught.value)
