"""The stage as its user meets it: killed and begun again, collapsed, diverged, shared by two processes."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components import fetch, pretrain
from components.params.base import InputError, RunError
from components.stage import read_params
from tests.conftest import ROOT, SHRUNKEN, set_params

SMALL = SHRUNKEN | {"pretrain.epochs": 6, "pretrain.watch.every_epochs": 2, "pretrain.watch.knn_queries": 50}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@dataclass(frozen=True)
class Run:
    """One run of the stage in a folder of its own."""

    folder: Path
    store: Path

    @property
    def paths(self) -> dict[str, Path]:
        """By flag."""
        names = {"encoder": "encoder", "metrics": "metrics.json", "curve": "curve.csv", "views": "views.png"}
        names |= {"scratch": "scratch", "live": "live"}
        return {"store": self.store} | {flag: self.folder / name for flag, name in names.items()}

    def set(self, **changes: Any) -> None:
        """Change params.yaml; a key is a path with __ between its parts."""
        set_params(self.folder / "params.yaml", {key.replace("__", "."): value for key, value in changes.items()})

    def here(self) -> None:
        """In this process."""
        pretrain.run(read_params(self.folder / "params.yaml").pretrain, **self.paths)

    def start(self, *launcher: str) -> subprocess.Popen[str]:
        """As a process group of its own, as DVC starts it."""
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
        """What must be the same, bit for bit."""
        encoder = self.folder / "encoder"
        return [path.read_bytes() for path in (*sorted(encoder.iterdir()), self.paths["curve"], self.paths["views"])]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    fetch.run(read_params(ROOT / "params.yaml").data, store=folder / "store", metrics=folder / "data.json")
    return folder / "store"


@pytest.fixture(scope="session")
def new_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    def make(**changes: Any) -> Run:
        run = Run(tmp_path_factory.mktemp("run"), digits)
        (run.folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        set_params(run.folder / "params.yaml", SMALL)
        run.set(**changes)
        return run

    return make


STREAM = {"pretrain__feed__kind": "streaming", "pretrain__feed__shuffle_images": 300}


@pytest.mark.parametrize("changes", [{}, STREAM], ids=["resident", "streaming"])
def test_killed_at_any_moment_it_ends_with_the_same_bits(changes: dict[str, Any], new_run: Callable[..., Run]) -> None:
    whole = new_run(**changes)
    whole.finish()
    killed = new_run(**changes, pretrain__checkpoint_seconds=0.0)
    killed.kill_after_checkpoint()
    assert "going on after step" in killed.kill_after_checkpoint()
    assert "going on after step" in killed.finish()
    whole_config, config = (json.loads((run.folder / "encoder/config.json").read_text()) for run in (whole, killed))
    assert config["provenance"]["params"]["checkpoint_seconds"] == 0
    config["provenance"] = whole_config["provenance"]
    assert config == whole_config
    for name in ("encoder/encoder.safetensors", "encoder/encoder.onnx", "curve.csv", "views.png"):
        assert (killed.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert not list((killed.folder / "scratch").glob("*/state.pt")), "a finished run leaves nothing to go on from"


def test_a_checkpoint_of_other_parameters_is_not_taken_up(new_run: Callable[..., Run]) -> None:
    run = new_run(pretrain__checkpoint_seconds=0.0)
    run.kill_after_checkpoint()
    run.set(pretrain__seed=1)
    assert "going on" not in run.finish()


def test_what_is_written(new_run: Callable[..., Run]) -> None:
    run = new_run()
    run.here()
    metrics = json.loads(run.paths["metrics"].read_text())
    assert metrics["images"] == 1347
    assert {"loss", "knn", "z_std", "rank_me", "alignment", "uniformity", "projection_spread"} <= metrics.keys()
    assert {"seconds", "images_per_second", "peak_memory_bytes", "gradient_norm"} <= metrics.keys()
    assert 0 < metrics["knn"] <= 1
    rows = list(csv.DictReader(run.paths["curve"].open()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [bool(row["knn"]) for row in rows] == [False, True] * 3
    assert float(rows[-1]["loss"]) == pytest.approx(metrics["loss"])
    assert (run.folder / "live/dvclive/metrics.json").is_file()
    assert list((run.folder / "live/tensorboard").glob("events.*"))


def test_two_processes_train_one_encoder_and_go_on_after_a_kill(new_run: Callable[..., Run]) -> None:
    whole = new_run()
    said = whole.finish(*TORCHRUN)
    assert said.count("feed: ") == 1, "one process speaks"
    assert "Warning" not in said
    killed = new_run(pretrain__checkpoint_seconds=0.0)
    killed.kill_after_checkpoint(*TORCHRUN)
    said = killed.finish(*TORCHRUN)
    assert "going on after step" in said
    assert "another process" not in said, "the processes that torchrun had started ended with it"
    weights = "encoder/encoder.safetensors"
    assert (killed.folder / weights).read_bytes() == (whole.folder / weights).read_bytes()
    assert (killed.folder / "curve.csv").read_bytes() == (whole.folder / "curve.csv").read_bytes()


def test_a_collapse_stops_the_run_early_and_says_why(new_run: Callable[..., Run]) -> None:
    """A rate at which the network answers every image alike within a few epochs."""
    run = new_run(pretrain__optimiser__learning_rate=50.0, pretrain__tau_base=0.0, pretrain__epochs=40)
    with pytest.raises(RunError, match=r"collapse after step \d+: .*pretrain\.tau_base too low \(0\)") as error:
        run.here()
    assert "\n" not in str(error.value)
    assert not run.paths["encoder"].exists()


def test_a_loss_that_is_not_finite_stops_the_run(new_run: Callable[..., Run]) -> None:
    optimiser = {"name": "sgd", "learning_rate": 1e30, "momentum": 0.9, "weight_decay": 1.0, "warmup_epochs": 0.0}
    with pytest.raises(RunError, match=r"the loss is not finite after step \d+: lower pretrain\.optimiser"):
        new_run(pretrain__optimiser=optimiser).here()


def test_a_batch_larger_than_the_images_is_refused(new_run: Callable[..., Run]) -> None:
    with pytest.raises(InputError, match=r"pretrain\.batch_size: 2000 is more than the 1347 images"):
        new_run(pretrain__batch_size=2000).here()
