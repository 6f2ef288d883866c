"""Some nights in the life of an encoder, run once for all tests of their outcomes.

Night 1 makes the first champion, night 2 brings nothing. Then new photos come, and ten retrainings start at once, of
which the working one is killed; the next one does the work, and one more finds nothing new. The next night is poisoned;
then somebody rolls back, and somebody else empties the folder of photos. Each training begins with the champion, once
there is one. The user's checkout has edits all the while that are not committed, and a file where trainings begin.
"""

import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.errors import Say
from pipelines.registry import __main__ as registry
from pipelines.registry import versions
from pipelines.retrain import __main__ as retrain
from pipelines.retrain import retraining
from pipelines.retrain.gate import Decision
from pipelines.retrain.retraining import Tools
from pipelines.train import plain
from tests.pipelines.retrain import nights

PROMOTE = {"artifact": "encoder", "stage": "prod", "probe": "vote", "metric": "accuracy"}
STARTS = 10
FORKS = multiprocessing.get_context("fork")


class Story:
    """Runs the nights and keeps what happened in them."""

    def __init__(self, folder: Path) -> None:
        self.project = nights.make_project(folder)
        self.root = self.project.root
        self.decisions: dict[str, Decision] = {}
        self.seconds: dict[str, float] = {}
        self.said: dict[str, list[str]] = {}
        self.champions: dict[str, str] = {}
        self.others: list[tuple[int | None, str]] = []
        self.untouched = False
        self.project.change(retrain__start="champion")
        self.project.commit("Begin with the champion")
        self.project.run("git", "push", "--quiet", "origin", "main")
        (self.root / "models/start/mine.bin").write_text("the user's own, and no concern of Git's")

    def retrain_night(self, name: str) -> None:
        """Retrain once on the photos that are there now."""
        begun = time.monotonic()
        self.said[name] = []
        self.decisions[name] = retraining.retrain(self.root, make_tools(self.said[name].append)).decision
        self.seconds[name] = time.monotonic() - begun
        self.note_champion(name)

    def note_champion(self, name: str) -> None:
        """Note which version is the champion now."""
        champion = versions.find_champion(self.root, PROMOTE)
        self.champions[name] = champion.name if champion else ""

    def start_many_and_kill_the_one_that_works(self) -> None:
        """Start many retrainings at once, and kill the working one with SIGKILL while it trains."""
        (self.root / "scratch" / "slow").touch()
        said = [self.root / "scratch" / f"said-{number}" for number in range(STARTS)]
        started = [FORKS.Process(target=run_retrain, args=(self.root, file)) for file in said]
        for process in started:
            process.start()
        wait_for((self.root / "scratch" / "started").exists)
        wait_for(lambda: sum(process.is_alive() for process in started) == 1)
        self.others = [
            (process.exitcode, file.read_text())
            for process, file in zip(started, said, strict=True)
            if not process.is_alive()
        ]
        working = next(process for process in started if process.is_alive())
        working.kill()
        working.join()
        (self.root / "scratch" / "slow").unlink()

    @property
    def branches(self) -> list[str]:
        """The retraining branches, oldest first."""
        return self.project.run("git", "for-each-ref", "--format=%(refname:short)", "refs/heads/retrain").split()


def make_tools(say: Say) -> Tools:
    """Make tools without Prefect and without measuring drift."""
    return Tools(say, plain.run_graph, None)


def run_retrain(root: Path, said: Path) -> None:
    """Run the command in this forked process, which need not import everything again."""
    os.chdir(root)
    sys.argv = ["retrain"]
    with said.open("w", buffering=1) as sys.stderr, Path(os.devnull).open("w") as sys.stdout:
        os._exit(retrain.main())


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, for a minute at most."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def read_state(root: Path) -> dict[str, object]:
    """Read the state of the user's checkout: its files with their times, its index and its HEAD."""
    files = [
        path
        for path in root.rglob("*")
        if path.is_file() and not {".git", ".dvc", "scratch", "photos"} & set(path.parts)
    ]
    state: dict[str, object] = {str(path): path.stat().st_mtime_ns for path in files}
    for name in ("index", "HEAD", "refs/heads/main"):
        state[name] = (root / ".git" / name).read_bytes()
    return state


def tell_story(folder: Path) -> Story:
    """Run all nights and return the story."""
    story = Story(folder)
    (story.root / "half-written.txt").write_text("the user's own")
    (story.root / "work.py").write_text(nights.WORK + "raise SystemExit('an edit that is not committed')\n")
    before = read_state(story.root)
    story.retrain_night("first")
    story.retrain_night("nothing")
    nights.take_photos(story.root / "photos", range(100, 250))
    story.start_many_and_kill_the_one_that_works()
    story.note_champion("killed")
    story.retrain_night("new photos")
    story.retrain_night("a new champion alone")
    nights.take_photos(story.root / "photos", range(0, 100), wrong=50)
    story.retrain_night("poisoned")
    story.retrain_night("poisoned again")
    registry.promote_by_hand(story.root, PROMOTE, None)
    story.note_champion("rolled back")
    story.retrain_night("after the roll-back")
    shutil.rmtree(story.root / "photos")
    (story.root / "photos").mkdir()
    story.retrain_night("refused")
    story.untouched = read_state(story.root) == before
    story.project.run("git", "push", "--quiet", "origin", "--tags")
    return story
