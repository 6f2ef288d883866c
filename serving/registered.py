"""Serves a version of the registry: it asks `python -m pipelines.registry`, a process of its own, to bring the files.

A stage such as prod may go to another version while this serves: Git's tags say so, and are cheap to look at.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from components.stage.errors import InputError, RunError
from serving.places import Places, Sign, find_places

FOLDER = Path(".dvc", "tmp", "serving")  # Git and DVC ignore it
NAMES = ("encoder", "store", "classifier", "index")  # of `vars: path:` in dvc.yaml
NOTE = "version"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
GIT_SECONDS, BRING_SECONDS = 60, 3600
USER_ERROR = 2


class Registered:
    """The version of an artifact that holds a stage, or that has a name."""

    def __init__(self, root: Path, artifact: str, *, stage: str | None, version: str | None) -> None:
        """Raises InputError for what can be no stage and no version."""
        asked = stage or version or ""
        if not WORD.fullmatch(asked):
            raise InputError(f"{'--stage' if stage is not None else '--version'}: a name such as prod or v0.3.0")
        self.root, self.artifact, self.stage = root, artifact, stage
        self.wanted = ("--stage", stage) if stage else ("--version", asked)
        self.folder = root / FOLDER / str(os.getpid())
        self.brought: list[Path] = []
        self.count = 0
        self.running: subprocess.Popen[str] | None = None
        remove_leftovers(root / FOLDER)

    def look(self) -> Sign | str:
        """List the tags that give the stage to a version. Raises RunError."""
        if not self.stage:
            return ""
        tags = f"refs/tags/{self.artifact}#{self.stage}*"
        command = ["git", "for-each-ref", "--format=%(refname) %(objectname)", tags]
        done = self._run(command, GIT_SECONDS)
        if done.returncode:
            raise RunError(f"git: {done.stderr.strip()[:500]}")
        return done.stdout

    def bring(self) -> tuple[Places, str]:
        """Bring the version. Raises InputError or RunError with what the registry says."""
        self.count += 1
        target = self.folder / str(self.count)
        command = [sys.executable, "-m", "pipelines.registry", "bring", str(target), *self.wanted, "--paths", *NAMES]
        done = self._run(command, BRING_SECONDS)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["the registry failed"]
            raise (InputError if done.returncode == USER_ERROR else RunError)(said[-1])
        for old in self.brought[:-1]:  # the last one may still answer requests
            shutil.rmtree(old, ignore_errors=True)
        self.brought = [*self.brought[-1:], target]
        return find_places(target), (target / NOTE).read_text(encoding="utf-8").strip()

    def close(self) -> None:
        """Remove what was brought, and end what is still being brought: who ends the service does not wait for it."""
        if self.running is not None:
            self.running.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str], seconds: int) -> subprocess.CompletedProcess[str]:
        """Run a command. Raises RunError if it takes too long."""
        with subprocess.Popen(
            command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            self.running = process
            try:
                output, error = process.communicate(timeout=seconds)
            except BaseException as reason:  # Ctrl-C, too, ends it
                process.kill()
                if isinstance(reason, subprocess.TimeoutExpired):
                    raise RunError(f"{' '.join(command[:4])}: no answer within {seconds} s") from None
                raise
        return subprocess.CompletedProcess(command, process.returncode, output, error)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes have left that are gone."""
    for left in folder.iterdir() if folder.is_dir() else ():
        if not (left.name.isdigit() and psutil.pid_exists(int(left.name))) or left.name == str(os.getpid()):
            shutil.rmtree(left, ignore_errors=True)
