"""The report names the revision of the code, and says whether the tree had gone on from there."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.report.revision import read_git_revision

WHO = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def run(*arguments: str) -> str:
        return subprocess.run(["git", *WHO, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    return run


def test_the_revision_says_whether_the_tree_had_gone_on(git: Git, tmp_path: Path) -> None:
    assert read_git_revision() == "no Git repository"
    git("init", "--quiet")
    assert read_git_revision() == "no Git commit yet"
    for name in ("params.yaml", "dvc.lock", "metrics/knn.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    commit = git("rev-parse", "--short", "HEAD")
    assert read_git_revision() == commit
    (tmp_path / "dvc.lock").write_text("2")
    (tmp_path / "metrics/knn.json").write_text("2")
    (tmp_path / "notes.txt").write_text("2")
    assert read_git_revision() == commit, "outputs of the run and files unknown to Git do not change the code"
    (tmp_path / "params.yaml").write_text("2")
    assert read_git_revision() == f"{commit} (with uncommitted changes)"


def test_without_git_there_is_no_revision_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_git_revision() == "no Git repository"
