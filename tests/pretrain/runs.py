"""Runs the stage pretrain in a folder of its own, as DVC starts it, to its end, killed or cut short."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from components.fetch import __main__ as fetch
from components.pretrain import __main__ as pretrain
from components.pretrain.loop import State
from components.pretrain.observer import Observer
from components.stage.command import read_params
from tests.conftest import ROOT, SHRUNKEN, set_params

SMALL = SHRUNKEN | {"pretrain.epochs": 6, "pretrain.watch.every_epochs": 2, "pretrain.watch.knn_queries": 50}


def fetch_outputs(folder: Path) -> dict[str, Path]:
    """Return where the stage fetch reads labels and writes, by flag."""
    return {name: folder / name for name in ("labels", "store", "metrics", "findings", "scratch")}


def fetch_digits(folder: Path) -> Path:
    """The store of the embedded digits."""
    fetch.run(read_params(ROOT / "params.yaml").data, **fetch_outputs(folder))
    return folder / "store"


@dataclass(frozen=True)
class Run:
    """One run of the stage in a folder of its own."""

    folder: Path
    store: Path

    @property
    def paths(self) -> dict[str, Path]:
        """The paths that the stage is given, by flag."""
        names = {"encoder": "encoder", "metrics": "metrics.json", "curve": "curve.csv", "views": "views.png"}
        names |= {"scratch": "scratch", "live": "live", "starts": "starts"}
        return {"store": self.store} | {flag: self.folder / name for flag, name in names.items()}

    def set(self, **changes: Any) -> None:
        """Change params.yaml; a key is a path with __ between its parts."""
        set_params(self.folder / "params.yaml", {key.replace("__", "."): value for key, value in changes.items()})

    def here(self) -> None:
        """Run the stage in this process, which keeps its environment."""
        with mock.patch.dict(os.environ):
            pretrain.run(read_params(self.folder / "params.yaml").pretrain, **self.paths)

    def start(self, *launcher: str) -> subprocess.Popen[str]:
        """Start the stage as a process group of its own, as DVC does."""
        flags = [part for flag, path in self.paths.items() for part in (f"--{flag}", str(path))]
        command = [sys.executable, *launcher, "-m", "components.pretrain", *flags]
        return subprocess.Popen(
            [*command, "--params", str(self.folder / "params.yaml")],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def finish(self, *launcher: str) -> str:
        """Run to the end; what it said."""
        process = self.start(*launcher)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output

    def kill_after_checkpoint(self, *launcher: str) -> str:
        """Start, wait until a checkpoint is new, and kill the whole group at once."""
        before = self.saved()
        process = self.start(*launcher)
        deadline = time.monotonic() + 120
        while self.saved() == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()[0]
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate(timeout=60)[0]

    def saved(self) -> list[int]:
        """When the checkpoints were written."""
        return [path.stat().st_mtime_ns for path in (self.folder / "scratch").glob("*/state.pt")]

    def results(self) -> list[bytes]:
        """Read what must be the same, bit for bit."""
        encoder = self.folder / "encoder"
        return [path.read_bytes() for path in (*sorted(encoder.iterdir()), self.paths["curve"], self.paths["views"])]


def small_run(folder: Path, store: Path, **changes: Any) -> Run:
    """Prepare a run of a few epochs, with these changes of params.yaml."""
    run = Run(folder, store)
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    set_params(folder / "params.yaml", SMALL)
    run.set(**changes)
    return run


class Interrupted(Observer):
    """Ends its run after a step in the middle of the second epoch, as a kill would."""

    last_step = 15

    def save(self, state: State) -> None:
        """Save the checkpoint, and interrupt the run after the last step."""
        super().save(state)
        if state.step == self.last_step:
            self.checkpoint.lock.release()
            raise KeyboardInterrupt
