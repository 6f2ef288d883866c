"""The observer of a run: what it saves and when, what a resumed run remembers, and what it logs."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from components.learning.engine import Engine
from components.pretrain import observer as module
from components.pretrain.checkpoint import Checkpoint
from components.pretrain.loop import EpochRecord, State
from components.pretrain.observer import Observer
from components.pretrain.readings import Sample
from components.show import estimate
from components.stage.errors import RunError
from tests.pretrain.tiny import begin_training
from tests.small import make_settings

STEPS = 4  # per epoch
BATCH = 6
SCHEDULE = {"learning_rate": 0.1, "tau": 0.9, "gradient_norm": 2.0}
SAMPLE = Sample(torch.zeros(0), torch.zeros(0), torch.zeros(0), torch.zeros(0), torch.zeros(0))


class Log:
    """A live log that keeps in memory what it is given."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.closed = False

    def log(self, epoch: int, values: dict[str, float]) -> None:
        """Keep the values of an epoch."""
        self.logged.append((epoch, values))

    def close(self) -> None:
        """Note that the log was closed."""
        self.closed = True


@dataclasses.dataclass
class Run:
    """A run of three epochs that only pretends to train, and its clock."""

    state: State
    engine: Engine
    folder: Path
    clock: SimpleNamespace
    log: Log

    def observe(self, *, resume: bool = False, begun: bool = False, **changes: Any) -> Observer:
        """Return an observer of this run; with `resume`, one that goes on from the checkpoint."""
        defaults = {"epochs": 3, "batch_size": BATCH, "checkpoint_seconds": 10.0, "watch__every_epochs": 2}
        checkpoint = Checkpoint(self.folder, "run")
        return Observer(
            make_settings(**(defaults | changes)),
            self.state,
            self.engine,
            checkpoint,
            SAMPLE,
            self.folder,
            processes=1,
            feed="resident",
            begun=begun,
            remembered=checkpoint.load() if resume else None,
        )

    def step(self, observer: Observer, steps: int = 1, seconds: float = 1.0) -> None:
        """Take steps of so many seconds each, in the order of the training loop."""
        for _ in range(steps):
            self.clock.now += seconds
            self.state.step += 1
            if self.state.step % STEPS == 0:
                epoch = self.state.step // STEPS
                observer.on_epoch(self.state, EpochRecord(epoch, 1 / epoch, {}, 0.1, {"tau": 0.9}, 2.0))
            observer.on_step(self.state)

    def kill_and_resume(self, **changes: Any) -> Observer:
        """Go back to where the run was saved, and return the observer that goes on from there."""
        self.state.step = self.read_saved_step() or 0
        return self.observe(resume=True, **changes)

    def read_saved_step(self) -> int | None:
        """Return the step of the checkpoint, or None if there is none."""
        content = Checkpoint(self.folder, "run").load()
        return content and content["state"]["step"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    state, engine = begin_training(make_settings(epochs=3, precision="float32", compile="never"), steps_per_epoch=STEPS)
    log, clock = Log(), SimpleNamespace(now=0.0)

    def open_loggers(*_: object) -> list[Log]:
        log.logged.clear()
        return [log]

    monkeypatch.setattr(module, "open_loggers", open_loggers)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(module, "take_readings", lambda state, *_: {"z_std": 0.25, "knn": state.step / 100})
    return Run(state, engine, tmp_path, clock, log)


def test_it_is_saved_when_the_time_is_up_and_at_the_end(run: Run) -> None:
    """Checkpoints are ten seconds apart: at steps 5 and 10 of 2 seconds each, and at the last, the twelfth."""
    observer = run.observe()
    seen = []
    for _ in range(12):
        run.step(observer, seconds=2)
        seen.append(run.read_saved_step())
    assert seen == [None] * 4 + [5] * 5 + [10] * 2 + [12]


def test_zero_seconds_save_every_step(run: Run) -> None:
    observer = run.observe(checkpoint_seconds=0.0)
    run.step(observer, 3, seconds=0)
    assert run.read_saved_step() == 3


def test_a_log_that_fails_in_mid_run_is_done_without(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk under live/ must not end days of training."""
    observer = run.observe(checkpoint_seconds=0.0)
    run.step(observer, STEPS)

    def fail(*_: object) -> None:
        raise OSError("no space\nleft")

    run.log.log = fail  # type: ignore[method-assign]
    run.step(observer, STEPS)
    assert "pretrain: no more log by Log: no space left\n" in capsys.readouterr().out
    assert len(observer.rows) == 2
    assert run.read_saved_step() == 2 * STEPS


@pytest.mark.parametrize(("epochs", "warned"), [(3, True), (8, False)])
def test_a_warm_up_that_never_ends_is_pointed_out(
    epochs: int, warned: bool, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.observe(epochs=epochs)
    assert ("the warm-up, 8 epochs, is longer than the run" in capsys.readouterr().out) is warned


def test_rows_and_costs_survive_an_interruption(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise the curve would begin in the middle, and the hours before the crash would not be counted."""
    run.step(run.observe(checkpoint_seconds=0.0), 9)
    capsys.readouterr()
    again = run.observe(resume=True)
    assert capsys.readouterr().out.splitlines()[-1] == "pretrain: going on after step 9 of 12"
    before = Checkpoint(run.folder, "run").load()
    assert before is not None
    assert before["feed"] == "resident", "another one would show other images for the rest of the run"
    assert again.usage.read_cost()["seconds"] >= before["observer"]["cost"]["seconds"] > 0
    run.step(again, 3)
    assert [row["epoch"] for row in again.rows] == [1, 2, 3]
    assert [row["loss"] for row in again.rows] == pytest.approx([1, 1 / 2, 1 / 3])


def test_every_epoch_is_logged_once_and_as_it_was_however_often_the_run_is_killed(run: Run) -> None:
    """The run is saved at steps 5 and 10, and killed at 9, when epoch 2 is logged but not saved, and at 11."""
    run.step(run.observe(), 9, seconds=2)
    first, second = run.log.logged
    again = run.kill_and_resume()
    assert run.log.logged == [first], "with its images a second"
    run.step(again, 6, seconds=2)
    last = run.kill_and_resume()
    run.step(last, 2, seconds=2)
    assert [epoch for epoch, _ in run.log.logged] == [1, 2, 3]
    assert run.log.logged[:2] == [first, second]
    assert not any("images_per_second" in row for row in last.rows), "which are the same in every run"


def test_readings_are_taken_every_so_many_epochs_and_at_the_last(run: Run) -> None:
    observer = run.observe()
    run.step(observer, 12)
    assert [row.get("knn") for row in observer.rows] == [None, 0.08, 0.12]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A start whose kNN is 0.11, on a hundred queries; a list of the steps at which it was measured."""
    monkeypatch.setattr("tests.pretrain.test_observer.SAMPLE", dataclasses.replace(SAMPLE, queries=torch.zeros(100)))
    measured: list[int] = []
    monkeypatch.setattr(module, "measure_start", lambda state, *_: measured.append(state.step) or 0.11)
    return measured


def test_the_start_is_a_line_in_every_log_and_measured_once_however_often_the_run_is_killed(
    run: Run, start: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured anew by a resumed run, it would be the value of a half-trained network, and hide what was lost."""
    run.step(run.observe(begun=True), 9, seconds=2)
    assert "pretrain: epoch 2: kNN 0.080, start 0.110\n" in capsys.readouterr().out
    again = run.kill_and_resume(begun=True)
    run.step(again, 7, seconds=2)
    assert start == [0]
    assert [row.get("knn_start") for row in again.rows] == [None, 0.11, 0.11]
    assert [values.get("knn_start") for _, values in run.log.logged] == [None, 0.11, 0.11]
    assert again.summarise(run.state)["knn_start"] == 0.11


def test_without_a_start_there_is_no_line_and_no_column(
    run: Run, start: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    observer = run.observe()
    run.step(observer, 12)
    assert not start
    assert not any("knn_start" in row for row in observer.rows)
    assert "kNN" not in capsys.readouterr().out


def test_a_fall_below_the_start_is_warned_of_once(
    run: Run, start: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 100 images, 80 and then 60 or 30 right: the first is no chance, and said before more is lost."""
    monkeypatch.setattr(module, "measure_start", lambda *_: 0.8)
    monkeypatch.setattr(module, "take_readings", lambda state, *_: {"knn": {4: 0.75, 8: 0.6, 12: 0.3}[state.step]})
    observer = run.observe(begun=True, watch__every_epochs=1, checkpoint_seconds=0.0)
    run.step(observer, 9)
    run.step(run.kill_and_resume(begun=True, watch__every_epochs=1), 3)
    said = [line for line in capsys.readouterr().out.splitlines() if "gets lost" in line]
    assert len(said) == 1
    assert said[0].startswith(
        "pretrain: what it began with gets lost: the kNN on 100 held-out train images is 0.600 after"
    )
    for key in ("pretrain.optimiser.learning_rate", "pretrain.continuing", "presets continue"):
        assert key in said[0]


def test_a_fall_ends_the_run_where_that_is_asked_for(
    run: Run, start: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "measure_start", lambda *_: 0.8)
    monkeypatch.setattr(module, "take_readings", lambda state, *_: {"knn": 0.6})
    run.step(run.observe(begun=True, watch__fall=0.25), 8)
    run.state.step = 0
    with pytest.raises(RunError, match=r"is 0\.600 after step 8, and was 0\.800 .*pretrain\.watch\.fall: 0\.1"):
        run.step(run.observe(begun=True, watch__fall=0.1), 8)


def test_a_row_is_logged_under_its_epoch_with_what_only_the_moment_knows(run: Run) -> None:
    """An epoch is 24 images in 4 seconds. Images per second are not in the curve, which is the same in every run."""
    observer = run.observe()
    run.step(observer, 8)
    assert [epoch for epoch, _ in run.log.logged] == [1, 2]
    assert run.log.logged[0][1] == {"loss": 1.0, **SCHEDULE, "images_per_second": 6.0}
    assert run.log.logged[1][1]["knn"] == 0.08
    assert "images_per_second" not in observer.rows[0]
    observer.close()
    assert run.log.closed


def test_the_rate_of_an_epoch_that_was_cut_in_two_counts_only_what_was_done_since(run: Run) -> None:
    """The resumed run takes one step of 6 images in one second, and not the whole epoch's 24 images."""
    run.step(run.observe(checkpoint_seconds=0.0), 3)
    run.step(run.observe(resume=True))
    assert run.log.logged[-1][1]["images_per_second"] == pytest.approx(6)


def test_the_summary_is_the_last_row_and_the_cost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole run takes 12 steps of 6 images in 36 seconds."""
    observer = run.observe()
    run.step(observer, 12)
    monkeypatch.setattr(observer.usage, "read_cost", lambda: {"seconds": 36.0, "peak_memory_bytes": 5.0})
    expected = {"loss": pytest.approx(1 / 3), "gradient_norm": 2.0, "z_std": 0.25, "knn": 0.12}
    expected |= {"seconds": 36.0, "peak_memory_bytes": 5.0, "images_per_second": 2.0}
    assert observer.summarise(run.state) == expected


def test_a_state_gone_astray_is_not_saved_over_a_sound_one(run: Run) -> None:
    """A checkpoint with broken weights would break every attempt to go on."""
    observer = run.observe(checkpoint_seconds=0.0)
    run.step(observer, 2)
    run.state.losses[2] = torch.nan
    with pytest.raises(RunError, match="not finite after step 3"):
        run.step(observer)
    assert run.read_saved_step() == 2


def test_progress_tells_the_epoch_and_the_last_loss(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.step(run.observe(), 12)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("pretrain: 72 of 72 images, ")
    assert line.endswith("epoch 3 of 3, loss 0.3333")


def test_a_long_run_says_soon_how_long_it_will_take(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 steps of 20 seconds take four minutes, which is known after the first; a resumed run takes less."""
    monkeypatch.setattr(estimate, "time", SimpleNamespace(monotonic=lambda: run.clock.now))
    run.step(run.observe(checkpoint_seconds=0.0), seconds=20)
    said = [line for line in capsys.readouterr().out.splitlines() if "about" in line]
    assert said == ["pretrain: about 4 min 0 s for 3 epochs of 24 images (0.3 images/s)"]
    run.step(run.observe(resume=True), seconds=20)
    said = [line for line in capsys.readouterr().out.splitlines() if "about" in line]
    assert said == ["pretrain: about 3 min 40 s for what is left of 3 epochs of 24 images (0.3 images/s)"]
