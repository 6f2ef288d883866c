"""Tests comparing two runs as a user does it, in a small project whose stages copy results that were made beforehand.

The pipeline's own code writes the predictions, so that both sides agree on the layout.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo

from components.evaluate import results
from components.evaluate.outcome import Outcome
from components.features.judging.statistics import Estimate
from components.stage.files import write_json
from pipelines.compare import __main__ as compare
from pipelines.compare.differences import NOT_PAIRED
from pipelines.compare.paired import NOISE
from pipelines.errors import GraphError
from pipelines.train import graph, trees
from tests.conftest import Project, set_params
from tests.damage import write_in_place

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own

COPY = f"{sys.executable} copy.py made/${{run}}/"
AFTER = f"""
stages:
  vote:
    cmd: {COPY}vote.json vote.json && {COPY}vote.parquet vote.parquet
    params: [run, vote.k]
    metrics: [vote.json: {{cache: false}}]
    outs: [vote.parquet]
  learn:
    cmd: {COPY}learn.json learn.json
    params: [run]
    metrics: [learn.json: {{cache: false}}]
"""
BEFORE = f"""
stages:
  vote:
    cmd: {COPY}vote.json vote.json
    params: [run]
    metrics: [vote.json: {{cache: false}}]
"""
IMAGES = 200
LABELS = np.zeros(IMAGES, dtype=int)
Compare = Callable[..., tuple[int, str, str]]


def write_run(folder: Path, wrong: range, *, loss: float, first: int = 0) -> None:
    """Write the results of a run that is wrong on these images of its IMAGES; the baseline is the same in every run."""
    ids = np.array([f"folder/{number:03}.png" for number in range(first, first + IMAGES)])
    right = np.array([float(number not in wrong) for number in range(IMAGES)])
    encoders = {}
    for encoder, score in (("byol", right), ("pixels", np.ones(IMAGES))):
        metrics: dict[str, Estimate | float] = {"auc": 0.75, "recall": Estimate(0.5, 0.4, 0.6)}
        metrics["accuracy"] = Estimate(score.mean(), 0.0, 1.0)
        scores = {"accuracy": score, "recall": np.full(IMAGES, 0.5)}
        encoders[encoder] = Outcome(metrics, ids=ids, actual=LABELS, predicted=LABELS, scores=scores)
    folder.mkdir(parents=True)
    results.write_metrics(folder / "vote.json", encoders)
    results.write_predictions(folder / "vote.parquet", encoders)
    write_json(folder / "learn.json", {"loss": loss, "images": {"train": IMAGES}})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Commits `before` (no predictions yet), `first`, `second`, an experiment `third`, and `elsewhere` checked out."""
    project = Project(tmp_path_factory.mktemp("compare") / "project")
    (project.root.parent / "home").mkdir()
    write_run(project.root / "made" / "first", range(0, 40), loss=0.5)
    write_run(project.root / "made" / "second", range(0, 20), loss=0.25)
    write_run(project.root / "made" / "third", range(2, 41), loss=0.5)
    write_run(project.root / "made" / "elsewhere", range(0, 20), loss=0.5, first=IMAGES)
    (project.root / "copy.py").write_text("import shutil, sys; shutil.copy(*sys.argv[1:])")
    (project.root / "params.yaml").write_text("run: first\nvote: {k: 20}\n")
    (project.root / "dvc.yaml").write_text(BEFORE)
    project.run("git", "init", "--quiet")
    project.run("dvc", "init", "--quiet")
    commit_run(project, "before")
    (project.root / "dvc.yaml").write_text(AFTER)
    commit_run(project, "first")
    project.change(run="second", vote__k=5)
    commit_run(project, "second")
    project.run("dvc", "exp", "run", "--temp", "--name", "third", "--set-param", "run=third")
    project.change(run="elsewhere", vote__k=20)
    commit_run(project, "elsewhere")
    return project


def commit_run(project: Project, tag: str) -> None:
    """Run the graph, commit it and tag the commit."""
    with contextlib.chdir(project.root), Repo() as repo:
        repo.reproduce()
    project.commit(tag)
    project.run("git", "tag", tag)


@pytest.fixture
def run_compare(original: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Compare:
    """The command; it returns exit status, standard output and standard error."""

    def call(*revisions: str, root: Path = original.root) -> tuple[int, str, str]:
        monkeypatch.chdir(root)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr("sys.argv", ["compare", *revisions])
        capsys.readouterr()
        status = compare.main()
        return status, *capsys.readouterr()

    return call


def find_row(output: str, start: str) -> list[str]:
    """Find the first line that begins so, and return the words after its beginning."""
    return next(line.removeprefix(start).split() for line in output.splitlines() if line.startswith(start))


def test_two_commits_are_compared_with_parameters_a_verdict_and_the_runs_numbers(run_compare: Compare) -> None:
    status, output, said = run_compare("first", "second")
    assert (status, said) == (0, "")
    assert "\nrun: first -> second\nvote.k: 20 -> 5\n" in output
    # 20 of 200 images more are right, and none fewer, so p is twice 0.5 ** 20.
    figures = find_row(output, "accuracy")
    assert figures[:3] == ["0.800", "0.900", "+0.100"]
    assert figures[5:] == ["<.001", "better"]
    wald = 1.96 * np.sqrt(0.1 * 0.9 / 200)
    assert [float(figure) for figure in figures[3:5]] == pytest.approx([0.1 - wald, 0.1 + wald], abs=0.01)
    assert find_row(output, "recall") == ["0.500", "0.500", "0.000", "0.000", "0.000", "no", "more", "than", "noise"]
    assert find_row(output, "auc") == ["0.75", "0.75", "0", "no", "test"]
    assert find_row(output, "learn: loss") == ["0.5", "0.25"]
    assert "images" not in output.split("Numbers about the runs")[1]
    assert "pixels" not in output, "a baseline that did not change"


def test_an_experiment_is_a_revision_and_small_changes_are_noise(run_compare: Compare) -> None:
    status, output, _ = run_compare("first", "third")
    assert status == 0
    figures = find_row(output, "accuracy")
    assert figures[:3] == ["0.800", "0.805", "+0.005"]  # two more images are right and one is not any more
    assert float(figures[3]) < 0 < float(figures[4])
    assert figures[5:] == ["1.000", *NOISE.split()]  # McNemar's p of 2 against 1


def test_without_a_second_revision_the_workspace_is_meant(run_compare: Compare) -> None:
    status, output, said = run_compare("second")
    assert (status, said) == (0, "")
    assert "B: workspace" in output
    assert "vote.k: 5 -> 20" in output


def test_runs_that_judged_different_images_get_no_verdict(run_compare: Compare) -> None:
    _, output, _ = run_compare("second", "elsewhere")
    assert "no image was judged by both: 200 only by A, 200 only by B" in output
    assert find_row(output, "accuracy") == ["0.9", "0.9", "0", *NOT_PAIRED.split()]


def test_a_run_from_before_there_were_predictions_is_compared_by_its_metrics(run_compare: Compare) -> None:
    status, output, said = run_compare("before", "second")
    assert (status, said) == (0, "")
    assert "no per-image predictions in A" in output
    assert find_row(output, "accuracy") == ["0.8", "0.9", "0.1", *NOT_PAIRED.split()]
    assert find_row(output, "learn: loss") == ["-", "0.25"]


def test_a_run_and_itself_are_the_same(run_compare: Compare) -> None:
    _, output, _ = run_compare("second", "second")
    assert "No parameter changed.\n\nvote, byol: the same in both, image by image" in output


def test_an_unknown_revision_is_one_line_that_says_so(run_compare: Compare) -> None:
    status, output, said = run_compare("second", "thrid")
    assert (status, output, said.count("\n")) == (2, "", 1)
    assert said.startswith("thrid: neither a Git revision nor an experiment")


@pytest.mark.parametrize(
    "name", ["HEAD:params.yaml", "HEAD^{tree}", "HEAD:", "", "second..HEAD", "a\0b", "\x1b[2J", "x" * 10**5, "\udc80"]
)
def test_what_is_no_commit_is_one_line_that_says_so(name: str, run_compare: Compare) -> None:
    status, output, said = run_compare("second", name)
    assert (status, output, said.count("\n")) == (2, "", 1)
    assert "neither a Git revision nor an experiment" in said
    assert said[:-1].isprintable()
    assert len(said) < 300


def test_a_workspace_that_was_edited_but_not_run_is_told_of(
    original: Project, run_compare: Compare, tmp_path: Path
) -> None:
    project = original.copy(tmp_path)
    set_params(project.root / "params.yaml", {"vote.k": 7})
    status, _, said = run_compare("elsewhere", root=project.root)
    assert status == 0
    assert said == "the workspace is not up to date, run `dvc repro`: vote\n"


def test_predictions_come_from_the_remote_and_where_there_is_none_the_user_is_told(
    original: Project, run_compare: Compare, tmp_path: Path
) -> None:
    project = original.copy(tmp_path)
    cache, away = project.root / ".dvc" / "cache" / "files", tmp_path / "away"
    shutil.move(cache, away / "files")
    status, output, said = run_compare("first", "second", root=project.root)
    assert (status, output) == (2, "")
    assert said.startswith("vote.parquet of first (")
    assert said.endswith("`dvc pull` or `dvc repro`\n")
    with Repo(str(project.root)) as repo, repo.config.edit() as config:
        config["remote"] = {"away": {"url": str(away)}}
        config["core"]["remote"] = "away"
    _, output, _ = run_compare("first", "second", root=project.root)
    assert find_row(output, "accuracy")[-1] == "better"


def test_whatever_dvc_says_while_a_revision_is_read_is_a_line(original: Project) -> None:
    """Such as `config file error`, for a remote that is not configured."""

    def fail(name: str, tree: trees.Tree) -> None:
        raise DvcException("config file error:\nremote 'nowhere' doesn't exist")

    with pytest.raises(GraphError, match=r"^config file error: remote 'nowhere' doesn't exist$"):
        trees.read_trees(original.root, ["first"], fail)


@pytest.mark.parametrize("place", ["cache", "workspace"])
def test_damaged_results_are_not_compared(original: Project, run_compare: Compare, tmp_path: Path, place: str) -> None:
    project = original.copy(tmp_path)
    assert not graph.find_changes(project.root)  # DVC remembers inodes and times now
    md5 = next(output.md5 for output in graph.list_outputs(project.root, "elsewhere") if output.is_cached)
    path = graph.find_cache(project.root) / md5[:2] / md5[2:] if place == "cache" else project.root / "vote.parquet"
    write_in_place(path, path.read_bytes().replace(b"parquet-cpp", b"parquet-cpq"))  # it can still be read
    status, output, said = run_compare("first", "elsewhere" if place == "cache" else "workspace", root=project.root)
    assert (status, output, said.count("\n")) == (1, "", 1)
    assert said.startswith("vote.parquet of ")
    assert "python -m pipelines.verify" in said
