"""Histories of many nights, drawn at random: `prune` removes what only old retrainings name, whatever else is there."""

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.registry import notes, objects, prune
from tests.faults.conftest import Campaign
from tests.pipelines.registry.pruned import PROMOTE, Cache

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
NAMES = [f"object {number}" for number in range(14)]  # few, so that nights and the user name the same ones
EVENTS = ("rejected", "promoted", "waits", "user commits", "user resets", "user stashes", "user tags", "rolled back")


class KilledError(Exception):
    """Stands for the end of the process."""


class History:
    """A history, and what must be left of it, worked out without Git."""

    def __init__(self, folder: Path, random: random.Random) -> None:
        self.cache = Cache(folder)
        self.random = random
        self.nights: list[tuple[str, set[str]]] = []  # branches, and what each names
        self.versions: list[int] = []  # which of the nights
        self.holders: list[int] = []
        self.waited: list[set[str]] = []
        self.named_by_user = {"first", "common"}
        self.tagged: set[int] = set()

    def draw(self) -> set[str]:
        """Draw some names of objects."""
        return {*self.random.sample(NAMES, self.random.randint(1, 3)), "common"}

    def happen(self, event: str) -> None:
        """Let something happen."""
        names, run = self.draw(), self.cache.project.run
        if event in ("rejected", "promoted"):
            self.nights.append((self.cache.retrain(*sorted(names), promoted=event == "promoted"), names))
            if event == "promoted":
                self.versions.append(len(self.nights) - 1)
                self.holders.append(len(self.nights) - 1)
        elif event == "waits":
            self.cache.lock(*sorted(names))
            notes.note_lock(self.cache.root, self.cache.root / "dvc.lock")
            for note in notes.list_notes(self.cache.root)[-1:]:
                os.utime(note, (2**30 + len(self.waited),) * 2)
            run("git", "checkout", "--quiet", "dvc.lock")
            self.waited = [*(earlier for earlier in self.waited if earlier != names), names]
        elif event.startswith("user ") and event != "user tags":
            self.cache.lock(*sorted(names))
            if event == "user stashes":
                run("git", "stash")
            else:
                run("git", "commit", "--quiet", "--allow-empty", "--all", "--message", event)
            if event == "user resets":
                run("git", "reset", "--quiet", "--hard", "HEAD~1")
            self.named_by_user |= names
        elif event == "user tags" and self.nights:
            night = self.random.randrange(len(self.nights))
            run("git", "tag", "--force", f"mine-{night}", self.nights[night][0])
            self.tagged.add(night)
        elif event == "rolled back" and self.holders and (place := self.holders.index(self.holders[-1])):
            self.holders.append(self.holders[place - 1])
            self.cache.promote(self.nights[self.holders[-1]][0])

    def list_expected(self, keep: int) -> set[str]:
        """List the objects that must be left."""
        staying = {
            *self.holders[-1:],
            *self.versions[-keep:],
            *self.tagged,
            *([len(self.nights) - 1] if self.nights else ()),
        }
        place = self.holders[-1:]
        for _ in range(keep):
            if place and (index := self.holders.index(place[0])):
                place = [self.holders[index - 1]]
                staying.update(place)
        return self.named_by_user.union(*(self.nights[night][1] for night in staying), *self.waited[-1:])


def test_what_is_left_of_drawn_histories(campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(campaign.choose(2, 60)):
        drawn = random.Random(campaign.seed * 1000 + number)
        keep = drawn.randint(1, 3)
        with campaign.trial(f"history {number}, keep {keep}"):
            (tmp_path / str(number)).mkdir()
            history = History(tmp_path / str(number), drawn)
            root = history.cache.root
            for _ in range(drawn.randint(4, 12)):
                history.happen(drawn.choice(EVENTS))
            prune.prune(root, PROMOTE, keep, (), lambda _: None, removes=False)
            before, expected = history.cache.left, history.list_expected(keep)
            assert before == set(history.cache.oids) - {name for name in history.cache.oids if " of " in name}
            with monkeypatch.context() as patch, suppress(KilledError):
                patch.setattr(objects, "remove", kill_after(drawn.randint(0, 3)))
                prune.prune(root, PROMOTE, keep, (), lambda _: None, removes=True)
            assert history.cache.left >= expected, "after it was killed"
            prune.prune(root, PROMOTE, keep, (), lambda _: None, removes=True)
            assert history.cache.left == expected


def kill_after(count: int) -> object:
    """Make a function that removes so many files, and then is killed."""

    def remove(paths: list[Path], *, empty_folders: int = 0) -> None:
        nonlocal count
        for path in paths:
            if not count:
                raise KilledError
            path.unlink()
            count -= 1

    return remove
