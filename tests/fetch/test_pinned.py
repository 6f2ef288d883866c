"""The pin that the first retraining leaves on its own branch is named in the checkout, which has none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from components.fetch.params import Snapshot
from components.fetch.pinned import describe_pin_elsewhere
from components.fetch.snapshot import accept, main
from tests.conftest import ROOT

PIN = Snapshot(files=3, bytes=1234, digest="0123456789abcdef" * 4)
BRANCH = "retrain/20260101T000000Z"


def test_a_pin_on_a_branch_is_named_instead_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*arguments: str) -> None:
        names = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgSign=false")
        subprocess.run(["git", *names, *arguments], cwd=folder, check=True)

    folder = tmp_path / "mine" / "deep"  # a project within a larger repository, too
    folder.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    params = Path("params.yaml")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert describe_pin_elsewhere(params) == "", "there is no Git"
    git("init", "--quiet", "--initial-branch", "main", "..")
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    assert describe_pin_elsewhere(params) == "", "no branch pins anything"
    git("checkout", "--quiet", "-b", BRANCH)
    accept(params, PIN)
    git("commit", "--quiet", "--all", "--message", "Retrained")
    git("checkout", "--quiet", "main")
    monkeypatch.setattr("sys.argv", ["snapshot"])
    main()
    pinned = f"the branch {BRANCH} pins 3 files (digest 01234567): `git merge {BRANCH}` brings that here"
    assert capsys.readouterr().out.splitlines()[-1] == f"snapshot: none is pinned in params.yaml; {pinned}"
