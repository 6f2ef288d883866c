"""What a retraining needs at its end is tried at its beginning, so that Git refuses at once and not after hours."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipelines.errors import StageError
from pipelines.registry import publish, trial, worktree
from pipelines.registry.git import read_committed, run_git
from tests.conftest import Project

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
GRAPH = "vars:\n  - path: {scratch: scratch}\nstages: {}\n"
BRANCH = "retrain/20260101T000000Z"


def make_project(folder: Path, monkeypatch: pytest.MonkeyPatch, within: str = "") -> Project:
    """Make a repository with a bare `origin` beside it; `within`: the project's folder in the repository."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GNUPGHOME", str(folder))
    project, top = Project(folder / "mine" / within), Project(folder / "mine")
    project.root.mkdir(parents=True)
    (project.root / "dvc.yaml").write_text(GRAPH)
    (project.root / ".gitignore").write_text("/scratch\n")
    top.run("git", "init", "--quiet", "--initial-branch", "main")
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        top.run("git", "config", name, value)
    with Repo.init(str(project.root), subdir=bool(within)):
        pass
    top.commit("first")
    top.run("git", "init", "--quiet", "--bare", str(folder / "origin.git"))
    top.run("git", "remote", "add", "origin", str(folder / "origin.git"))
    top.run("git", "push", "--quiet", "origin", "main")
    monkeypatch.chdir(project.root)
    return project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return make_project(tmp_path, monkeypatch)


def try_end(project: Project) -> None:
    """Try it as a retraining does."""
    with worktree.check_out(project.root, "HEAD") as folder:
        trial.try_end(project.root, folder, pushes=publish.fetch_refs(project.root, print))
        assert run_git(folder, "status", "--porcelain") == ""


def list_all(project: Project) -> list[str]:
    """List every reference, worktree and loose object, reachable or not."""
    asked = (("for-each-ref",), ("worktree", "list"), ("count-objects",), ("fsck", "--unreachable", "--no-reflogs"))
    return [project.run("git", *arguments) for arguments in asked]


@pytest.mark.parametrize(("within", "origin"), [("", "../origin.git"), ("deep/er", "{folder}/origin.git")])
def test_a_trial_leaves_nothing(within: str, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path, monkeypatch, within)
    project.run("git", "remote", "set-url", "origin", origin.format(folder=tmp_path))
    project.run("git", "fetch", "--quiet", "origin")
    before = list_all(project)
    try_end(project)
    assert list_all(project) == before
    assert project.run("git", "ls-remote", "--refs", "origin").split()[1::2] == ["refs/heads/main"]


def sign_commits(project: Project) -> None:
    project.run("git", "config", "commit.gpgSign", "true")


def sign_tags(project: Project) -> None:
    project.run("git", "config", "tag.gpgSign", "true")


def take_the_name(project: Project) -> None:
    project.run("git", "branch", "retrain")


def lose_the_author(project: Project) -> None:
    project.run("git", "config", "author.name", ".")


def close_the_way(project: Project) -> None:
    project.run("git", "config", "remote.origin.pushurl", "/nowhere")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (sign_commits, "could not be committed: git commit .*gpg.*commit.gpgSign false"),
        (sign_tags, "could not be tagged: git tag: .*tag.gpgSign false"),
        (lose_the_author, "could not be committed: git commit .*disallowed characters"),
        (take_the_name, "could not be kept on a branch: git update-ref .*'refs/heads/retrain' exists"),
        (close_the_way, "could not be pushed: git push .*/nowhere.*git remote rename origin"),
    ],
)
def test_what_would_fail_at_the_end_is_said_at_the_beginning(
    spoil: Callable[[Project], None], said: str, project: Project
) -> None:
    spoil(project)
    project.run("git", "fetch", "--quiet", "origin")
    before = list_all(project)
    with pytest.raises(StageError, match=said) as caught:
        try_end(project)
    assert caught.value.status == 2
    assert "\n" not in str(caught.value)
    assert list_all(project) == before


def test_a_disk_without_room_for_another_run_is_said_before_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.check_room(project.root, project.root)
    (project.root / "dvc.lock").write_text("stages: {a: {cmd: a, outs: [{path: a, md5: a, size: 4000000000}]}}\n")
    monkeypatch.setattr(trial.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 8_000_000_000))
    trial.check_room(project.root, project.root)
    monkeypatch.setattr(trial.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 7_900_000_000))
    with pytest.raises(StageError, match=r"7\.9 GB are free, and 2 copies of the last run take 8\.0 GB") as caught:
        trial.check_room(project.root, project.root)
    assert caught.value.status == 2


def test_a_push_that_the_server_refuses_says_how_to_go_on(project: Project, tmp_path: Path) -> None:
    """A protected branch cannot be tried: a server checks it when it receives the push."""
    hook = tmp_path / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho protected branch\nexit 1\n")
    hook.chmod(0o755)
    project.run("git", "branch", BRANCH)
    with pytest.raises(StageError, match=f"{BRANCH} is done, and origin refuses it: .*protected branch") as caught:
        publish.push(project.root, BRANCH, f"refs/heads/{BRANCH}")
    assert caught.value.status == 2
    assert "git remote rename origin" in str(caught.value)


def test_a_project_within_a_larger_repository_has_its_own_files_in_the_worktree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path, monkeypatch, "deep/er")
    (project.root.parents[1] / "images").mkdir()
    with worktree.check_out(project.root, "HEAD") as folder:
        assert (folder / "dvc.yaml").read_text() == GRAPH
        assert read_committed(folder, "HEAD", Path("dvc.yaml")) == GRAPH.strip()
        worktree.link_named_files(project.root, folder, {"url": "../../images"})
        assert (folder / "../../images").is_dir()
    assert project.run("git", "status", "--porcelain") == ""
    assert project.run("git", "worktree", "list").count("\n") == 1
