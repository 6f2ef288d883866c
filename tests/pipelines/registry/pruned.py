"""A project whose commits name objects that lie in DVC's cache, made by hand: no stage is run."""

import hashlib
import json
from pathlib import Path

from dvc.repo import Repo

from pipelines.registry import records
from tests.conftest import Project

PROMOTE = {"artifact": "encoder", "stage": "prod", "probe": "vote", "metric": "accuracy"}
GRAPH = """
vars:
  - path: {scratch: scratch}
artifacts:
  encoder: {path: models, type: model}
stages:
  vote:
    cmd: "true"
    metrics: [vote.json: {cache: false}]
    meta: {retries: 0, minutes: 1}
"""


class Cache:
    """A project whose commits name objects, and what is left of these in DVC's cache."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder / "mine")
        self.root = self.project.root
        self.oids: dict[str, str] = {}
        self.nights = self.promotions = 0
        self.root.mkdir()
        (folder / "home").mkdir()
        (self.root / "dvc.yaml").write_text(GRAPH)
        (self.root / "params.yaml").write_text("data: {snapshot: }\n")
        (self.root / ".gitignore").write_text("/scratch\n/models\n/vote.json\n")
        self.project.run("git", "init", "--quiet", "--initial-branch", "main")
        self.project.run("git", "config", "user.name", "Ada")
        self.project.run("git", "config", "user.email", "ada@example.org")
        with Repo.init(str(self.root)):
            pass
        self.lock("first", "common")
        self.project.commit("first")

    def locate(self, oid: str) -> Path:
        """Return where the cache keeps an object."""
        return self.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]

    def make(self, name: str, content: str = "") -> str:
        """Make an object."""
        self.oids[name] = hashlib.md5((content or name).encode()).hexdigest() + (".dir" if content else "")
        path = self.locate(self.oids[name])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content or name)
        return self.oids[name]

    def lock(self, *names: str) -> str:
        """Write a dvc.lock whose stage has made a folder with one file for each name, and models/<first name>."""
        entries = [{"md5": self.make(name), "relpath": name} for name in names]
        folder = self.make(f"folder of {' and '.join(names)}", json.dumps(entries))
        outs = [f"{{path: store, md5: {folder}}}", f"{{path: models/{names[0]}, md5: {self.oids[names[0]]}}}"]
        text = "".join(f"    - {out}\n" for out in outs)
        (self.root / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  vote:\n    cmd: 'true'\n    outs:\n{text}")
        return (self.root / "dvc.lock").read_text()

    def retrain(self, name: str, *more: str, promoted: bool = False, start: str | None = None) -> str:
        """Make the branch of a retraining that had the object `name` and began with a commit, as a retraining does."""
        self.nights += 1
        branch = f"{records.BRANCHES}20260101T0000{self.nights:02}Z"
        self.project.run("git", "checkout", "--quiet", "-b", branch)
        self.lock(name, "common", *more)
        records.write_decision(self.root, {"inputs": name, "night": self.nights, "start": {"commit": start}})
        self.project.commit(f"Retrained: {'promoted' if promoted else 'rejected'}")
        self.project.run("git", "checkout", "--quiet", "main")
        if promoted:
            self.project.run("git", "tag", f"encoder@v0.{self.nights}.0", branch, "--annotate", "--message", "-")
            self.promote(branch)
        return branch

    def promote(self, branch: str) -> None:
        """Put the version of a branch into production."""
        self.promotions += 1
        self.project.run("git", "tag", f"encoder#prod#{self.promotions}", branch, "--annotate", "--message", "-")

    @property
    def left(self) -> set[str]:
        """The names of the objects that are still there."""
        return {name for name, oid in self.oids.items() if self.locate(oid).exists() and " of " not in name}
