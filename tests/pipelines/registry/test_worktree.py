"""Tests that the worktree has what saves work, takes nothing from the user's checkout and leaves nothing in it."""

import re
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipelines.errors import BusyError, StageError
from pipelines.registry import lineage, staleness, worktree
from pipelines.registry.git import run_git
from pipelines.registry.versions import Version
from tests.conftest import Project

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
GRAPH = """
vars:
  - path: {scratch: scratch, start: models/start}
stages:
  copy:
    cmd: cp data/given.txt made.txt && cp data/given.txt metrics/n.json && echo 1 >> scratch/runs
    deps: [data/given.txt]
    outs: [made.txt]
    metrics: [metrics/n.json: {cache: false}]
    meta: {retries: 0, minutes: 1}
  use:
    cmd: cat made.txt metrics/n.json > used.txt
    deps: [made.txt, metrics]
    outs: [used.txt]
    meta: {retries: 0, minutes: 1}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository that has run once, with a remote by a relative path, credentials, and a private cache."""
    project = Project(tmp_path / "mine")
    (tmp_path / "home").mkdir()
    for folder in ("data", "metrics", "scratch", "photos"):
        (project.root / folder).mkdir(parents=True)
    (project.root / "dvc.yaml").write_text(GRAPH)
    (project.root / "data/given.txt").write_text("1\n")
    (project.root / "photos/1.txt").write_text("a cat")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/2.txt").write_text("a dog")
    (project.root / ".gitignore").write_text("/photos\n/scratch\n/made.txt\n/used.txt\n")
    (project.root / ".dvcignore").write_text("/metrics/decision.json\n")
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "Ada")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "ada@example.org")
    monkeypatch.chdir(project.root)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    with Repo.init(str(project.root)) as repo:
        with repo.config.edit() as config:
            config["core"] = {"analytics": False, "remote": "store"}
            config["remote"] = {"store": {"url": str(tmp_path / "store")}}
        with repo.config.edit("local") as config:
            config["remote"] = {"store": {"url": str(tmp_path / "store"), "verify": False}}
    (project.root / ".dvc/config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
    )
    reproduce(project)
    project.commit("first run")
    return project


def reproduce(project: Project) -> None:
    """Run the graph in this process."""
    with Repo(str(project.root)) as repo:
        repo.reproduce()


def test_cache_remote_credentials_scratch_and_named_files_are_shared(project: Project, tmp_path: Path) -> None:
    with worktree.check_out(project.root, "HEAD") as folder:
        worktree.link_named_files(
            project.root, folder, {"sources": [{"path": "photos"}, {"path": "no such"}, {"url": "../beside"}], "n": 3}
        )
        with Repo(str(folder)) as repo:
            assert Path(repo.cache.local.path) == project.root / ".dvc/cache/files/md5"
            assert Path(repo.config["remote"]["store"]["url"]) == project.root.parent / "store"
            assert repo.config["remote"]["store"]["verify"] is False
        (folder / "scratch/checkpoint").write_text("half way")
        assert (folder / "photos/1.txt").read_text() == "a cat"
        assert (folder / "../beside/2.txt").read_text() == "a dog"
    assert list((project.root / worktree.FOLDER).iterdir()) == []
    assert (tmp_path / "beside/2.txt").is_file()
    assert (project.root / "scratch/checkpoint").read_text() == "half way"
    assert (project.root / "photos/1.txt").is_file()
    assert project.run("git", "status", "--porcelain") == ""
    assert project.run("git", "worktree", "list").count("\n") == 1


@pytest.mark.parametrize(
    "named", ["made.txt", ".", "..", "/", "../../../../../../../../.git", "metrics", "", "x" * 5000, "a\0b", "data"]
)
def test_no_parameter_links_an_output_or_what_leads_out_of_the_checkout(project: Project, named: str) -> None:
    with worktree.check_out(project.root, "HEAD") as folder:
        worktree.link_named_files(project.root, folder, {})  # DVC makes its own folder when it looks for the first time
        before = sorted(folder.parents[1].rglob("*"))
        worktree.link_named_files(project.root, folder, {"path": named})
        assert sorted(folder.parents[1].rglob("*")) == before


def test_what_is_up_to_date_comes_from_the_cache_and_does_not_run_again(project: Project) -> None:
    with worktree.check_out(project.root, "HEAD") as folder:
        worktree.restore_outputs(folder)
        assert (folder / "used.txt").read_text() == "1\n1\n"
        (folder / "data/given.txt").write_text("2\n")
        (folder / "made.txt").unlink()
        worktree.restore_outputs(folder)
        assert not (folder / "made.txt").exists(), "what will be made anew is not brought"
    assert (project.root / "scratch/runs").read_text() == "1\n"


def test_a_killed_runs_worktree_is_cleared_away(project: Project) -> None:
    left = project.root / worktree.FOLDER / "1"
    run_git(project.root, "worktree", "add", "--detach", str(left))
    with worktree.lock_retraining(project.root):
        assert not left.exists()
        assert project.run("git", "worktree", "list").count("\n") == 1
        with pytest.raises(BusyError, match="another retraining"), worktree.lock_retraining(project.root):
            pass


def test_what_dvc_notes_on_the_machine_goes_with_it(project: Project, tmp_path: Path) -> None:
    """Every worktree is another repository to DVC, so that each night would leave folders under /var/tmp."""
    project.run("dvc", "config", "core.site_cache_dir", str(tmp_path / "site"))
    with worktree.check_out(project.root, "HEAD") as folder:
        project.run("dvc", "status")
        noted = set((tmp_path / "site/repo").iterdir())
        with Repo(str(folder)) as repo:
            repo.status()
            assert project.root / worktree.FOLDER in Path(repo.site_cache_dir).parents
    assert set((tmp_path / "site/repo").iterdir()) == noted


def test_no_hook_runs_in_it(project: Project) -> None:
    hook = project.root / ".git/hooks/post-checkout"
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    with worktree.check_out(project.root, "HEAD") as folder:
        assert not (folder / "hooked").exists()


def test_a_graph_without_a_scratch_folder_is_refused_in_one_line(project: Project) -> None:
    (project.root / "dvc.yaml").write_text("stages: {}\n")
    project.commit("no scratch")
    with pytest.raises(StageError, match=r"path\.scratch among its vars"), worktree.check_out(project.root, "HEAD"):
        pass
    assert project.run("git", "worktree", "list").count("\n") == 1


def test_both_lines_are_joined_where_user_and_champion_have_gone_on(project: Project) -> None:
    run_git(project.root, "checkout", "--quiet", "-b", "retrain/1")
    (project.root / "data/given.txt").write_text("2\n")
    reproduce(project)
    project.commit("champion")
    champion = Version("v0.1.0", run_git(project.root, "rev-parse", "HEAD"), "", ())
    run_git(project.root, "checkout", "--quiet", "main")
    (project.root / "notes.txt").write_text("of the user")
    project.commit("goes on")
    user = run_git(project.root, "rev-parse", "HEAD")
    with worktree.check_out(project.root, "HEAD") as folder:
        lineage.prepare_head(folder, champion)
        assert (folder / "data/given.txt").read_text() == "1\n", "the user's"
        assert (folder / "metrics/n.json").read_text() == "2\n", "the champion's"
        (folder / "metrics/n.json").write_text("3\n")
        lineage.commit_changes(folder, "Retrained")
        assert run_git(folder, "log", "-1", "--format=%P") == f"{user} {champion.commit}"
        assert run_git(folder, "show", "HEAD:metrics/n.json") == "3"
        assert run_git(folder, "status", "--porcelain", "--untracked-files=no") == ""
    assert run_git(project.root, "rev-parse", "HEAD") == user


def test_a_change_within_a_second_and_of_the_same_size_is_committed(project: Project) -> None:
    with worktree.check_out(project.root, "HEAD") as folder:
        with Repo(str(folder)) as repo:
            (folder / "data/given.txt").write_text("2\n")
            repo.scm.add([str(folder / "dvc.yaml")])  # DVC writes the index, as it does when it stages by itself
        lineage.commit_changes(folder, "Retrained")
        assert run_git(folder, "show", "HEAD:data/given.txt") == "2"


def test_the_decision_makes_no_stage_stale(project: Project) -> None:
    (project.root / "metrics/decision.json").write_text("{}")
    assert staleness.list_stale(project.root) == []
    (project.root / "metrics/other.json").write_text("{}")
    assert staleness.list_stale(project.root) == ["use"]


def test_a_stale_lock_is_seen_without_the_data(project: Project) -> None:
    for name in ("made.txt", "used.txt"):
        (project.root / name).unlink()
    assert staleness.list_stale(project.root) == []
    lock = project.root / "dvc.lock"
    text = lock.read_text()
    match = re.search(r"outs:\n    - path: made.txt\n      hash: md5\n      md5: (\w+)", text)
    assert match
    lock.write_text(text[: match.start(1)] + "f" * 32 + text[match.end(1) :])
    assert staleness.list_stale(project.root) == ["use"], "what it read is not what is made now"
    lock.write_text(text)
    (project.root / "metrics/n.json").unlink()
    assert "copy" in staleness.list_stale(project.root), "Git keeps it, so it was removed"
    lock.unlink()
    assert staleness.list_stale(project.root) == ["copy", "use"]
