"""Tests that a night's own files are whole before they are judged, though DVC's run cache brings damaged ones back."""

from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipelines.errors import DamageError, GraphError
from pipelines.registry import lineage, worktree
from pipelines.retrain import whole
from pipelines.train import graph
from tests.conftest import Project
from tests.damage import write_in_place

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
GRAPH = """
vars:
  - path: {scratch: scratch}
stages:
  make:
    cmd: cp given made && cp given n.json
    deps: [given]
    outs: [made]
    metrics: [n.json: {cache: false}]
    meta: {retries: 0, minutes: 1}
  use:
    cmd: cat made made > used
    deps: [made]
    outs: [used]
    params: [k]
    meta: {retries: 0, minutes: 1}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A repository without a remote, whose graph has run and of whose outputs only DVC's cache is left."""
    project = Project(tmp_path / "mine")
    (tmp_path / "home").mkdir()
    project.root.mkdir()
    files = {"dvc.yaml": GRAPH, "given": "12345\n", "params.yaml": "k: 1\n", ".gitignore": "/scratch\n"}
    for name, text in files.items():
        (project.root / name).write_text(text)
    project.run("git", "init", "--quiet")
    with Repo.init(str(project.root)) as repo, repo.config.edit() as config:
        config["core"] = {"analytics": False, "autostage": True}
    reproduce(project.root)
    project.commit("first run")
    return project


def reproduce(root: Path) -> None:
    """Run the graph in this process."""
    with chdir(root), Repo() as repo:
        repo.reproduce()


def find_object(root: Path, path: str) -> Path:
    md5 = next(output.md5 for output in graph.list_outputs(root) if output.path == Path(path))
    return graph.find_cache(root) / md5[:2] / md5[2:]


@pytest.mark.parametrize("damaged", ["made", "used"])
def test_what_the_run_cache_has_damaged_is_made_again(project: Project, damaged: str) -> None:
    write_in_place(find_object(project.root, damaged), b"12346\n")
    said: list[str] = []
    with worktree.check_out(project.root, "HEAD") as folder:
        (folder / "dvc.lock").unlink()  # so that the night runs all, and DVC takes all from its run cache
        whole.run_whole(folder, lambda: reproduce(folder), said.append)
        assert (folder / "used").read_text() == 2 * (folder / "made").read_text() == "12345\n12345\n"
    assert [line.partition(":")[0] for line in said] == ["damaged, and got back or made again"]
    assert find_object(project.root, damaged).read_text() in ("12345\n", "12345\n12345\n")


def test_what_stays_damaged_ends_the_night(project: Project) -> None:
    with worktree.check_out(project.root, "HEAD") as folder:

        def run() -> None:
            reproduce(folder)
            write_in_place(folder / "used", b"damaged again\n")

        with pytest.raises(DamageError, match=r"used of use: the output in the workspace is not what dvc\.lock names"):
            whole.run_whole(folder, run, print)


def test_a_fetched_output_is_whole_or_a_line_says_what_is_damaged(project: Project) -> None:
    write_in_place(find_object(project.root, "used"), b"12346\n")
    with worktree.check_out(project.root, "HEAD") as folder:
        worktree.fetch_outputs(folder, str(folder / "made"))
        assert (folder / "made").read_text() == "12345\n"
        with pytest.raises(DamageError, match="used of use: damaged in DVC's cache; its damaged copy is kept as"):
            worktree.fetch_outputs(folder, str(folder / "used"))
        assert not (folder / "used").exists()
        find_object(project.root, "made").unlink()
        (folder / "made").unlink()
        with pytest.raises(GraphError):  # lost, but nothing here is damaged
            worktree.fetch_outputs(folder, str(folder / "made"))


def test_the_champions_metric_is_compared_only_where_the_inputs_are_the_same(project: Project) -> None:
    made = [Path("made")]
    with worktree.check_out(project.root, "HEAD") as old, worktree.check_out(project.root, "HEAD") as new:
        assert lineage.have_same_inputs(old, new, ["make", "use"], made)
        (new / "given").write_text("6\n")
        reproduce(new)
        assert lineage.have_same_inputs(old, new, ["use"], made), "what is made anew for the champion"
        assert not lineage.have_same_inputs(old, new, ["use"], [])
        assert not lineage.have_same_inputs(old, new, ["make", "use"], made), "other images"
        (new / "params.yaml").write_text("k: 2\n")
        reproduce(new)
        assert not lineage.have_same_inputs(old, new, ["use"], made), "other parameters"
        assert not lineage.have_same_inputs(old, new, ["no such"], made)
