"""Tests how a version is brought into a folder of its own: whole, from the cache, and without a worktree."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from pipelines.errors import DamageError, StageError
from pipelines.registry import __main__ as registry
from pipelines.registry import bring, versions
from tests.conftest import Project

PROMOTE = {"artifact": "encoder", "stage": "prod", "probe": "vote", "metric": "accuracy"}
GRAPH = """
vars:
  - path: {encoder: models/encoder, store: data}
artifacts:
  encoder: {path: models/encoder, type: model}
stages:
  make:
    cmd: "mkdir -p models/encoder data/more && echo 1 | tee models/encoder/weights data/a data/more/b"
    outs: [models/encoder/weights, data]
    meta: {retries: 0, minutes: 1}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository with one version, whose files have all the same content."""
    project = Project(tmp_path / "mine")
    (tmp_path / "home").mkdir()
    project.root.mkdir()
    (project.root / "dvc.yaml").write_text(GRAPH)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    for key, value in {"user.name": "Ada", "user.email": "ada@example.org"}.items():
        project.run("git", "config", key, value)
    monkeypatch.chdir(project.root)
    with Repo.init(str(project.root)) as repo:
        repo.reproduce()
    project.commit("One")
    versions.register(project.root, "encoder", "HEAD", "one")
    versions.assign(project.root, "encoder", "prod", "v0.1.0", "one")
    return project


def test_a_version_is_brought_as_it_was_whatever_stands_in_the_checkout(project: Project, tmp_path: Path) -> None:
    (project.root / "data/a").unlink()
    (project.root / "dvc.yaml").write_text("{}")
    version = registry.find_holder(project.root, PROMOTE, "prod", "--version")
    (project.root / "dvc.yaml").write_text(GRAPH)
    bring.bring(project.root, version, ["encoder", "store", "classifier"], tmp_path / "brought")
    files = {path.relative_to(tmp_path / "brought").as_posix() for path in (tmp_path / "brought").rglob("*")}
    assert files >= {"models/encoder/weights", "data/a", "data/more/b", "dvc.yaml", "dvc.lock", "version"}
    assert (tmp_path / "brought/data/more/b").read_text() == "1\n"
    assert (tmp_path / "brought/version").read_text() == "v0.1.0\n"
    with pytest.raises(StageError, match="there is something already"):
        bring.bring(project.root, version, ["store"], tmp_path / "brought")
    bring.bring(project.root, version, ["encoder"], tmp_path / "less")
    assert not (tmp_path / "less/data").exists()


def test_a_damaged_version_is_not_brought_and_no_stage_names_one_that_is_not_there(
    project: Project, tmp_path: Path
) -> None:
    version = registry.find_version(project.root, "encoder", "v0.1.0")
    for path in (project.root / ".dvc/cache/files/md5").glob("*/*"):
        if path.read_bytes() == b"1\n":
            path.chmod(0o644)
            path.write_text("2\n")
    (project.root / "data/a").unlink()
    (project.root / "data/more/b").unlink()
    (project.root / "models/encoder/weights").unlink()
    with pytest.raises(DamageError, match="damaged in DVC's cache"):
        bring.bring(project.root, version, ["store"], tmp_path / "brought")
    assert not (tmp_path / "brought").exists()
    with pytest.raises(StageError, match="dev: no version of encoder is dev yet"):
        registry.find_holder(project.root, PROMOTE, "dev", "--version")
