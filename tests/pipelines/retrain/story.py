"""Some nights in the life of an encoder, told once for all tests of them: what came of each.

Night 1 makes the first champion, night 2 brings nothing. Then new photos come, and ten retrainings start at once, of
which the working one is killed; the next one does the work. The next night is poisoned; then somebody rolls back, and
somebody else empties the folder of photos. The user's checkout has edits all the while that are not committed.
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
    """What happened."""

    def __init__(self, folder: Path) -> None:
        self.project = nights.make(folder)
        self.root = self.project.root
        self.decisions: dict[str, Decision] = {}
        self.seconds: dict[str, float] = {}
        self.said: dict[str, list[str]] = {}
        self.champions: dict[str, str] = {}
        self.others: list[tuple[int | None, str]] = []
        self.untouched = False

    def night(self, name: str) -> None:
        """One retraining of what lies there now."""
        begun = time.monotonic()
        self.said[name] = []
        self.decisions[name] = retraining.retrain(self.root, tools(self.said[name].append)).decision
        self.seconds[name] = time.monotonic() - begun
        self.note(name)

    def note(self, name: str) -> None:
        """Who is the champion now."""
        champion = versions.champion(self.root, PROMOTE)
        self.champions[name] = champion.name if champion else ""

    def start_many_and_kill_the_one_that_works(self) -> None:
        """In the midst of its training, by SIGKILL."""
        (self.root / "scratch" / "slow").touch()
        said = [self.root / "scratch" / f"said-{number}" for number in range(STARTS)]
        started = [FORKS.Process(target=start, args=(self.root, file)) for file in said]
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
        """Oldest first."""
        return self.project.run("git", "for-each-ref", "--format=%(refname:short)", "refs/heads/retrain").split()


def tools(say: Say) -> Tools:
    """Without Prefect and without a look at drift."""
    return Tools(say, plain.run_graph, None)


def start(root: Path, said: Path) -> None:
    """The command, in a process of its own that need not import everything again."""
    os.chdir(root)
    sys.argv = ["retrain"]
    with said.open("w", buffering=1) as sys.stderr, Path(os.devnull).open("w") as sys.stdout:
        os._exit(retrain.main())


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def state(root: Path) -> dict[str, object]:
    """All of the user's checkout: its files with their times, its index and where it stands."""
    files = [
        path
        for path in root.rglob("*")
        if path.is_file() and not {".git", ".dvc", "scratch", "photos"} & set(path.parts)
    ]
    found: dict[str, object] = {str(path): path.stat().st_mtime_ns for path in files}
    for name in ("index", "HEAD", "refs/heads/main"):
        found[name] = (root / ".git" / name).read_bytes()
    return found


def tell(folder: Path) -> Story:
    """All of it."""
    told = Story(folder)
    (told.root / "half-written.txt").write_text("the user's own")
    (told.root / "work.py").write_text(nights.WORK + "raise SystemExit('an edit that is not committed')\n")
    before = state(told.root)
    told.night("first")
    told.night("nothing")
    nights.take_photos(told.root / "photos", range(100, 250))
    told.start_many_and_kill_the_one_that_works()
    told.note("killed")
    told.night("new photos")
    nights.take_photos(told.root / "photos", range(0, 100), wrong=50)
    told.night("poisoned")
    told.night("poisoned again")
    registry.by_hand(told.root, PROMOTE, None)
    told.note("rolled back")
    told.night("after the roll-back")
    shutil.rmtree(told.root / "photos")
    (told.root / "photos").mkdir()
    told.night("refused")
    told.untouched = state(told.root) == before
    told.project.run("git", "push", "--quiet", "origin", "--tags")
    return told
