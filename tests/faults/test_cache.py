"""Damage in DVC's cache and in the outputs of a checkout: one bit, a cut, a deletion; mode and times stay as they were.

What is damaged is named in a line, nothing is made or judged from it, and it comes back where any whole copy is left.
"""

import random
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import chdir, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest
from dvc.repo import Repo

from pipelines import verify
from pipelines.errors import DamageError
from pipelines.registry import __main__ as registry
from pipelines.registry import mending
from pipelines.retrain import retraining
from pipelines.train import graph, runner, wholeness
from pipelines.train.wholeness import CACHE, WORKSPACE, Piece
from tests.conftest import Project
from tests.damage import KINDS
from tests.faults.conftest import Campaign
from tests.pipelines.retrain import nights
from tests.pipelines.retrain.story import PROMOTE, make_tools

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
GRAPH = """
stages:
  make:
    cmd: mkdir -p store/deep && echo 111 > store/1 && echo 2222 > store/deep/2 && echo 33 > found && echo 4 > n.json
    outs: [store, found]
    metrics: [n.json: {cache: false}]
    meta: {retries: 0, minutes: 1}
  use:
    cmd: cat store/1 store/deep/2 > used && echo ran >> ran
    deps: [store]
    params: [k]
    outs: [used]
    meta: {retries: 0, minutes: 1}
"""


class Said(NamedTuple):
    """Holds the status with which a command ended, and what it said."""

    status: int
    text: str


Verify = Callable[..., Said]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository that has run once and pushed its outputs to a folder beside it. Change a copy, never this."""
    folder = tmp_path_factory.mktemp("small")
    project = Project(folder / "project")
    project.root.mkdir()
    for name, text in {"dvc.yaml": GRAPH, "params.yaml": "k: 1\n", ".gitignore": "/ran\n"}.items():
        (project.root / name).write_text(text)
    project.run("git", "init", "--quiet")
    with Repo.init(str(project.root)) as repo, repo.config.edit() as config:
        config["core"] = {"analytics": False, "remote": "store", "autostage": True}
        config["remote"] = {"store": {"url": str(folder / "remote")}}
    with chdir(project.root), Repo() as repo:
        repo.reproduce()
        repo.push()
    project.commit("first run")
    return project


@pytest.fixture
def only_whole(request: pytest.FixtureRequest) -> None:
    """Skip what takes minutes."""
    if not request.config.getoption("--whole"):
        pytest.skip("only in `make faults`")


@pytest.fixture
def run_verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """The command as typed in a folder."""

    def run(root: Path, *arguments: str) -> Said:
        wholeness.forget()
        monkeypatch.chdir(root)
        monkeypatch.setattr(sys, "argv", ["verify", *arguments])
        status = verify.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Said(status, said.out + said.err)

    return run


def list_pieces(root: Path) -> list[Piece]:
    """List the files of all outputs, in the checkout and in the cache, one per file."""
    outputs, cache = graph.list_outputs(root), graph.find_cache(root)
    return wholeness.list_workspace(outputs, root, cache) + wholeness.list_objects(outputs, cache)


def read_files(root: Path) -> dict[Path, bytes]:
    """Read all outputs of a checkout and their objects."""
    return {piece.file.relative_to(root): piece.file.read_bytes() for piece in list_pieces(root)}


def test_a_damaged_file_is_named_and_comes_back(
    campaign: Campaign, small: Project, tmp_path: Path, run_verify: Verify
) -> None:
    chance = random.Random(campaign.seed)
    before = read_files(small.root)
    pieces = [piece.file.relative_to(small.root) for piece in list_pieces(small.root)]
    trials = [(piece, kind) for piece in pieces for kind in KINDS]
    chance.shuffle(trials)
    for number, (path, kind) in enumerate(trials[: campaign.choose(4, len(trials))]):
        with campaign.trial(f"{path}: {kind}"):
            root = small.copy(tmp_path / f"{number}").root
            KINDS[kind](root / path, chance)
            said = run_verify(root)
            assert said.status == 1
            assert any(str(path) in line for line in said.text.splitlines()), said.text
            repaired = run_verify(root, "--repair")
            if repaired.status:  # what Git keeps, Git brings back; what was only deleted, DVC
                assert path == Path("n.json") or kind == "deleted", repaired.text
                Project(root).run("git", "checkout", "--", "n.json")
                with Repo(str(root)) as repo:
                    repo.pull(force=True)
                assert run_verify(root).status == 0
            assert {file: (root / file).read_bytes() for file in before} == before
            shutil.rmtree(tmp_path / f"{number}")


def test_no_stage_runs_on_a_damaged_input(campaign: Campaign, small: Project, tmp_path: Path) -> None:
    chance = random.Random(campaign.seed)
    for number in range(campaign.choose(1, 12)):
        kind = chance.choice(sorted(KINDS))
        with campaign.trial(kind):
            root = small.copy(tmp_path / f"{number}").root
            (root / "ran").unlink()
            (root / "params.yaml").write_text("k: 2\n")
            KINDS[kind](root / chance.choice(["store/1", "store/deep/2"]), chance)
            use = next(stage for stage in graph.read_stages(root) if stage.name == "use")
            with pytest.raises(DamageError, match=r"store/[\w/]+ of make: the output in the workspace is"):
                runner.bring_up_to_date(use, root, print)
            assert not (root / "ran").exists()


def test_what_has_no_whole_copy_is_kept_aside_and_never_pushed(
    campaign: Campaign, small: Project, tmp_path: Path
) -> None:
    chance = random.Random(campaign.seed)
    kinds = [kind for kind in KINDS if kind != "deleted"]
    for number in range(campaign.choose(1, 12)):
        with campaign.trial(f"trial {number}"):
            root = small.copy(tmp_path / f"{number}").root
            with Repo(str(root)) as repo, repo.config.edit() as config:
                config["remote"]["store"]["url"] = str(tmp_path / f"empty-{number}")
            outputs = [output for output in graph.list_outputs(root) if output.is_cached]
            piece = chance.choice(wholeness.list_objects(outputs, graph.find_cache(root)))
            KINDS[chance.choice(kinds)](piece.file, chance)
            damaged = piece.file.read_bytes()
            shutil.rmtree(root / "store")
            for name in ("found", "used"):
                (root / name).unlink()
            for _ in range(2):  # and still, when it has been set aside
                with pytest.raises(DamageError, match=re.escape(f"{piece.path} of {piece.output.stage}")):
                    mending.require_objects(root, outputs)
            assert not piece.file.exists()
            assert (graph.find_cache(root).parents[1] / mending.ASIDE / piece.md5).read_bytes() == damaged


@pytest.mark.slow
def test_the_real_pipeline(
    only_whole: None, campaign: Campaign, request: pytest.FixtureRequest, run_verify: Verify
) -> None:
    project: Project = request.getfixturevalue(
        "project"
    )  # it takes minutes, so it is not made for a test that is skipped
    chance = random.Random(campaign.seed)
    project.run("dvc", "remote", "add", "--default", "store", str(project.root.parent / "remote"))
    project.run("dvc", "push", "--quiet")
    before, pieces = read_files(project.root), list_pieces(project.root)
    by_kind = {(piece.output.path, piece.place, piece.md5.endswith(".dir")): piece for piece in pieces}
    chosen = [*by_kind.values(), *chance.sample(pieces, 10)]
    for piece in chosen:
        kind = chance.choice([kind for kind in KINDS if kind != "deleted"])
        with campaign.trial(f"{piece}, {piece.place}: {kind}"):
            KINDS[kind](piece.file, chance)
            found = run_verify(project.root)
            assert (found.status, str(piece.file) in found.text) == (1, True), found.text
            repaired = run_verify(project.root, "--repair")
            if not piece.output.is_cached and piece.place == WORKSPACE:
                assert f"git checkout -- {piece.path}" in repaired.text
                project.run("git", "checkout", "--", str(piece.path))
            else:
                assert repaired.status == 0 or piece.place == CACHE, repaired.text
            with Repo(str(project.root)) as repo:
                repo.pull(force=True)
            assert read_files(project.root) == before


@pytest.mark.slow
def test_a_damaged_champion(only_whole: None, campaign: Campaign, tmp_path: Path) -> None:
    chance = random.Random(campaign.seed)
    first = nights.make_project(tmp_path / "nights")
    nights.take_photos(first.root / "photos", range(250))
    assert retraining.retrain(first.root, make_tools(print)).decision.promoted
    first.run("git", "remote", "remove", "origin")  # which would tell a trial what another has judged
    nights.take_photos(first.root / "photos", range(250, 262), wrong=12)  # a little worse, by no other rule
    objects = [piece for piece in list_pieces_of(first.root, "encoder@v0.1.0") if piece.output.is_cached]
    for number, (piece, has_remote) in enumerate((piece, has) for piece in objects for has in (True, False)):
        kind = chance.choice([kind for kind in KINDS if kind != "deleted"])
        with campaign.trial(f"{piece}: {kind}, {'a' if has_remote else 'no'} remote"):
            project = first.copy(tmp_path / f"{number}")
            KINDS[kind](project.root / piece.file.relative_to(first.root), chance)
            if not has_remote:
                project.run("git", "config", "--file", ".dvc/config", "--remove-section", "core")
                project.commit("without a remote")
            wholeness.forget()
            if has_remote:
                decision = retraining.retrain(project.root, make_tools(print)).decision
                assert [reason.rule for reason in decision.failed_reasons] == ["minimal_gain", "minimal_gain_low"]
            else:
                with pytest.raises(DamageError, match="cannot be judged"):
                    retraining.retrain(project.root, make_tools(print))
                with pytest.raises(DamageError) if "encoder" in str(piece) else nullcontext():
                    registry.promote_by_hand(project.root, PROMOTE, "v0.1.0")


def list_pieces_of(root: Path, revision: str) -> list[Piece]:
    """List the objects of a revision."""
    return wholeness.list_objects(graph.list_outputs(root, revision), graph.find_cache(root))
