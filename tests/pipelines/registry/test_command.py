"""Tests versions and stages by hand: what a user types, what GTO and DVC read, and what is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import gto.api
import pytest
from dvc.repo import Repo

from pipelines.registry import __main__ as registry
from pipelines.registry import versions
from pipelines.registry.git import run_git
from pipelines.train import settings
from tests.conftest import Project

PROMOTE = {"artifact": "encoder", "stage": "prod", "probe": "vote", "metric": "accuracy"}
GRAPH = """
artifacts:
  encoder: {path: models/encoder.bin, type: model}
stages:
  vote:
    cmd: "true"
    metrics: [vote.json: {cache: false}]
    meta: {retries: 0, minutes: 1}
"""
Registry = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three commits, each with an accuracy that is higher by 0.1; the encoder's bytes are in Git itself."""
    project = Project(tmp_path / "mine")
    (tmp_path / "home").mkdir()
    (project.root / "models").mkdir(parents=True)
    (project.root / "dvc.yaml").write_text(GRAPH)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("git", "config", "user.name", "Ada")
    project.run("git", "config", "user.email", "ada@example.org")
    with Repo.init(str(project.root)):
        pass
    for number in (1, 2, 3):
        (project.root / "models/encoder.bin").write_text(f"{number}")
        (project.root / "vote.json").write_text(json.dumps({"byol": {"accuracy": number / 10}}))
        project.commit(f"{number}")
    return project


@pytest.fixture
def run_registry(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Registry:
    """The command as typed in the repository; it returns exit status, standard output and standard error."""
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(settings, "read_settings", lambda root: {"promote": PROMOTE})
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["registry", *arguments])
        status = registry.main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_versions_are_listed_with_the_decisive_metric_and_who_holds_a_stage(
    project: Project, run_registry: Registry
) -> None:
    assert run_registry() == (0, "encoder: no version is registered\n", "")
    assert run_registry("register", "HEAD~1") == (0, "registered encoder@v0.1.0: vote accuracy 0.2000\n", "")
    assert run_registry("register")[1] == "registered encoder@v0.2.0: vote accuracy 0.3000\n"
    assert run_registry("promote", "v0.1.0")[0] == 0
    rows = [line.split() for line in run_registry("show")[1].splitlines()]
    short = [run_git(project.root, "rev-parse", revision)[:7] for revision in ("HEAD~1", "HEAD")]
    assert [[row[0], row[1], *row[4:]] for row in rows[-2:]] == [
        ["v0.1.0", short[0], "prod", "0.2000"],
        ["v0.2.0", short[1], "0.3000"],
    ]


def test_gto_and_dvc_read_the_tags(project: Project, run_registry: Registry) -> None:
    run_registry("register", "HEAD~1")
    run_registry("register", "HEAD")
    run_registry("promote", "v0.2.0")
    run_registry("promote", "v0.1.0")
    listing = json.loads(project.run("gto", "show", "--json"))
    assert (listing["encoder"]["version"], listing["encoder"]["stage"]["prod"]) == ("v0.2.0", "v0.1.0")
    project.run("dvc", "artifacts", "get", ".", "encoder", "--stage", "prod", "--out", "got.bin")
    assert (project.root / "got.bin").read_text() == "2"
    assert run_git(project.root, "cat-file", "-t", "encoder#prod#1") == "tag"
    assert "promoted by hand; vote accuracy 0.2000" in run_git(project.root, "cat-file", "-p", "encoder#prod#2")


def test_the_versions_are_those_that_gto_lists(project: Project, run_registry: Registry) -> None:
    for revision in ("HEAD~2", "HEAD~1", "HEAD"):
        run_registry("register", revision)
    run_registry("promote", "v0.2.0")
    gto.api.assign(str(project.root), "encoder", "shadow", "v0.3.0", author="Ada", author_email="ada@example.org")
    gto.api.deregister(str(project.root), "encoder", version="v0.1.0")
    gto.api.register(str(project.root), "other", "HEAD", "v9.0.0")
    project.run("git", "tag", "encoder@latest")
    entries = gto.api.show(str(project.root), "encoder", registered_only=True)
    theirs = {(entry["version"], entry["commit_hexsha"]) for entry in entries}
    known = versions.list_versions(project.root, "encoder")
    assert {(version.name, version.commit) for version in known} == theirs
    assert [(version.name, version.stages) for version in known] == [("v0.2.0", ("prod",)), ("v0.3.0", ("shadow",))]


def test_going_back_goes_back_step_by_step_and_not_to_and_fro(project: Project, run_registry: Registry) -> None:
    for revision in ("HEAD~2", "HEAD~1", "HEAD"):
        run_registry("register", revision)
    for version in ("v0.1.0", "v0.2.0", "v0.3.0"):
        run_registry("promote", version)
    for expected in ("v0.2.0", "v0.1.0"):
        assert run_registry("rollback")[1].startswith(f"encoder@{expected} is prod now")
        champion = versions.find_champion(project.root, PROMOTE)
        assert champion is not None
        assert champion.name == expected
    status, _, error = run_registry("rollback")
    assert (status, error) == (2, "prod: no version held it before the present one; `promote` names one\n")


def test_a_stage_that_was_taken_away_is_held_by_nobody(project: Project, run_registry: Registry) -> None:
    run_registry("register")
    run_registry("promote", "v0.1.0")
    gto.api.unassign(str(project.root), "encoder", stage="prod", version="v0.1.0")
    assert versions.find_champion(project.root, PROMOTE) is None
    assert run_registry("rollback")[0] == 2


def test_versions_beyond_the_ninth_stay_in_order(project: Project, run_registry: Registry) -> None:
    for number in range(1, 12):
        project.run("git", "commit", "--quiet", "--allow-empty", "--message", f"{number}")
        versions.register(project.root, "encoder", "HEAD", "")
    assert [version.name for version in versions.list_versions(project.root, "encoder")] == [
        f"v0.{n}.0" for n in range(1, 12)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("promote", "v0.9.0"), "v0.9.0: no version of encoder; there are v0.1.0"),
        (("register", "no-such"), "no-such: no such revision"),
        (("register", "HEAD:params.yaml"), "HEAD:params.yaml: no such revision"),
        (("register", "HEAD^{tree}"), "HEAD^{tree}: no such revision"),
        (("register", "--", "--output=x"), "--output=x: no such revision"),
        (("register", ""), "an empty name: no such revision"),
        (("register", "a\0\x1b[2J"), r"a\x00\x1b[2J: no such revision"),
        (("promote", "../x"), "../x: no version of encoder; there are v0.1.0"),
        (("promote", ""), "an empty name: no version of encoder; there are v0.1.0"),
        (("register", "HEAD"), "'encoder' is already registered in this commit with version 'v0.1.0'"),
        (("rollback",), "prod: no version held it before the present one; `promote` names one"),
        (("start", "v0.9.0"), "v0.9.0: no version of encoder; there are v0.1.0"),
        (
            ("start", "v0.1.0"),
            "encoder@v0.1.0: its dvc.lock names no models/encoder.bin/encoder.safetensors to begin with",
        ),
        (
            ("start",),
            "prod: no version of encoder is prod yet; `python -m pipelines.retrain` makes the first, or name a version "
            "after `start`",
        ),
    ],
)
def test_a_slip_is_said_in_one_line(run_registry: Registry, arguments: tuple[str, ...], said: str) -> None:
    run_registry("register")
    assert run_registry(*arguments) == (2, "", f"{said}\n")


def test_the_checkout_stays_as_it_is(project: Project, run_registry: Registry) -> None:
    (project.root / "vote.json").write_text("half-written")
    before = (project.root / ".git/index").read_bytes(), project.run("git", "status", "--porcelain")
    run_registry("register")
    run_registry("promote", "v0.1.0")
    run_registry("show")
    assert ((project.root / ".git/index").read_bytes(), project.run("git", "status", "--porcelain")) == before


def test_a_user_whom_git_does_not_know_is_told_what_to_set(
    project: Project, run_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_git(project.root, "config", "--unset", "user.email")
    run_git(project.root, "config", "user.useConfigOnly", "true")
    for name in ("GIT_COMMITTER_EMAIL", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    said = "Git does not know who you are: set user.name and user.email by `git config`\n"
    assert run_registry("register") == (2, "", said)
