"""A stage that reads a damaged artifact ends with one line that names it, or with what the whole one would have given.

The text files, metrics and curves, hold no checksum: there a number may be another one without a word, since only
dvc.lock knows it, and the promise is that the stage ends with one line or well.
"""

import random
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.stage.errors import InputError, RunError
from tests.faults.artifacts import KINDS, Project, damage_json, damage_table, damage_weights, make_project, swap
from tests.faults.conftest import Campaign

WITHOUT_CHECKSUM = ("metrics", "curves", "picture", "config")
UNNOTICED = (damage_table, damage_weights, damage_json)  # they write whole files: as good as another stage's work
SECONDS, MORE_MEMORY = 30, 1_000_000  # KiB


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def results(whole: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Every stage's results are kept from a run in which nothing is damaged."""
    found = {}
    for stage in ("embed", "evaluate", "drift", "report"):
        out = tmp_path_factory.mktemp(stage)
        whole.run(stage, out)
        found[stage] = read_all(out)
    return found


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def within_bounds() -> Iterator[None]:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.monotonic() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MORE_MEMORY


@pytest.mark.parametrize("kind", KINDS)
def test_damaged(
    kind: str,
    campaign: Campaign,
    whole: Project,
    results: dict[str, dict[str, bytes]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pattern, stages, damages = KINDS[kind]
    draws = random.Random(f"{campaign.seed} {kind}")
    for number in range(campaign.choose(2, 60)):
        folder = tmp_path / str(number)
        project = Project(folder / "project", whole.params)
        shutil.copytree(whole.root, project.root)
        path = draws.choice(sorted(project.root.glob(pattern)))
        damage, stage = draws.choice(damages), draws.choice(stages)
        before = path.read_bytes()
        damage(draws, path)
        capsys.readouterr()
        with campaign.trial(f"{kind}: {damage.__name__} of {path.name} #{number}, read by {stage}"), within_bounds():
            try:
                project.run(stage, folder / "out")
            except (InputError, RunError) as error:
                line = str(error)
                assert "\n" not in line
                assert 20 < len(line) < 900
                assert "Traceback" not in line
                names = (path.name, path.parent.name, "the store")
                assert any(name in line for name in names), line
            else:
                if path.name in capsys.readouterr().out:
                    continue  # it said that a baseline is left out
                same = path.is_file() and path.read_bytes() == before
                if same or (kind not in WITHOUT_CHECKSUM and damage not in (*UNNOTICED, swap)):
                    assert read_all(folder / "out") == results[stage], "other results, without a word"
        shutil.rmtree(folder)
