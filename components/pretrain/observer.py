"""What is shown, measured, logged and saved while a run trains; none of it changes the result of the run."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from components.learning.engine import PLAIN, Engine
from components.learning.graph import WARM_UP_OF_SEVERAL
from components.pretrain.checkpoint import Checkpoint
from components.pretrain.loop import EpochRecord, State, check_finite, remember
from components.pretrain.params import Pretrain
from components.pretrain.readings import Sample, describe_fall, measure_start, take_readings
from components.show.estimate import Estimate
from components.show.loggers import Logger, open_loggers
from components.show.progress import Progress
from components.show.usage import Usage

Row = dict[str, float]


class Observer:
    """Watches the training of the process that writes files."""

    def __init__(
        self,
        params: Pretrain,
        state: State,
        engine: Engine,
        checkpoint: Checkpoint,
        sample: Sample,
        folder: Path,
        *,
        processes: int,
        feed: str,
        begun: bool,
        remembered: dict[str, Any] | None,
    ) -> None:
        """Open the live logs in `folder`, and go on from the checkpoint that an earlier observer of this run saved.

        `feed` is the kind of feed; `begun` is whether the weights before the first step were trained before;
        `remembered` is that checkpoint's content, or None.
        """
        nothing: dict[str, Any] = {"rows": [], "moments": [], "cost": {}, "start": None, "warned": False}
        before = remembered["observer"] if remembered else nothing
        self.rows: list[Row] = before["rows"]  # one per epoch; readings where they were taken
        self.moments: list[Row] = before["moments"]  # one per row: what differs from run to run, so not in the curve
        self.params, self.engine, self.feed, self.checkpoint, self.sample = params, engine, feed, checkpoint, sample
        self.start: float | None = before["start"]  # the kNN before the first step
        self.warned: bool = before["warned"]  # that the kNN has fallen below it
        if begun and not remembered:
            self.start = measure_start(state, engine, sample, params)
        self.loggers = open_loggers(params.watch.loggers, folder)
        for row, moment in zip(self.rows, self.moments, strict=True):
            self.log(row | moment)
        self.usage = Usage(engine.device, processes, before["cost"])
        total, done = (steps * params.batch_size for steps in (state.steps, state.step))
        self.progress = Progress("pretrain", total, "images", done)
        text = f"{params.epochs:,} epochs of {len(state.losses) * params.batch_size:,} images"
        text = f"what is left of {text}" if remembered else text
        unlike = 0 if engine.way == PLAIN else WARM_UP_OF_SEVERAL + 1  # steps that are compiled and recorded
        self.estimate = Estimate("pretrain", text, total, "images", done=done, ignored=unlike * params.batch_size)
        if params.optimiser.warmup_epochs > params.epochs:
            print(
                f"pretrain: the warm-up, {params.optimiser.warmup_epochs:g} epochs, is longer than the run", flush=True
            )
        if remembered:
            print(f"pretrain: going on after step {state.step:,} of {state.steps:,}", flush=True)
        self.saved_at = time.monotonic()
        # Where the epoch's rate counts from; a resumed epoch has fewer steps.
        self.rate_begins = state.step, self.saved_at

    def on_step(self, state: State) -> None:
        """Show how far the run is, and save it when it is time. Raises RunError for numbers that are not finite."""
        loss = f", loss {self.rows[-1]['loss']:.4f}" if self.rows else ""
        epoch = (state.step - 1) // len(state.losses) + 1
        self.progress.advance(self.params.batch_size, f"epoch {epoch} of {self.params.epochs}{loss}")
        self.estimate.advance(self.progress.done)
        last = state.step == state.steps
        if last or time.monotonic() - self.saved_at >= self.params.checkpoint_seconds:
            check_finite(state)
            self.save(state)

    def on_epoch(self, state: State, record: EpochRecord) -> None:
        """Take the readings when it is time, and log the epoch. Raises RunError for a collapse."""
        row: Row = record.to_row()
        step, began = self.rate_begins
        rate = (state.step - step) * self.params.batch_size / (time.monotonic() - began)
        if record.epoch % self.params.watch.every_epochs == 0 or state.step == state.steps:
            row |= take_readings(state, self.engine, self.sample, self.params)
            row |= self.compare_with_start(row, state.step)
        moment = {"images_per_second": rate}
        if self.engine.device.type == "cuda":
            moment["gpu_memory_bytes"] = float(torch.cuda.max_memory_allocated(self.engine.device))
        self.rows.append(row)
        self.moments.append(moment)
        self.log(row | moment)
        self.rate_begins = state.step, time.monotonic()

    def compare_with_start(self, row: Row, step: int) -> Row:
        """Show the kNN beside that of the start and warn the first time that it has fallen; return what is added to
        the row, nothing without a start. Raises RunError for a fall that pretrain.watch.fall does not allow."""
        if self.start is None:
            return {}
        print(f"pretrain: epoch {row['epoch']:.0f}: kNN {row['knn']:.3f}, start {self.start:.3f}", flush=True)
        warning = describe_fall(row["knn"], self.start, len(self.sample.queries), step, self.params)
        if warning and not self.warned:
            print(f"pretrain: {warning}", flush=True)
        self.warned = self.warned or bool(warning)
        return {"knn_start": self.start}

    def log(self, row: Row) -> None:
        """Write an epoch's row to the live logs; drop a log that fails."""
        values = {key: value for key, value in row.items() if key != "epoch"}
        for logger in list(self.loggers):
            self.try_log(logger, partial(logger.log, int(row["epoch"]), values))

    def try_log(self, logger: Logger, action: Callable[[], None]) -> None:
        """Do something with a live log, or do without this log if that fails, as on a full disk: the run goes on."""
        try:
            action()
        except Exception as error:
            self.loggers.remove(logger)
            name = type(logger).__name__
            print(f"pretrain: no more log by {name}: {' '.join(str(error).split())}", flush=True)

    def save(self, state: State) -> None:
        """Save all that a later process needs to go on as if nothing had happened."""
        observed: dict[str, Any] = {"rows": self.rows, "moments": self.moments, "cost": self.usage.read_cost()}
        observed |= {"start": self.start, "warned": self.warned}
        self.checkpoint.save({"state": remember(state), "feed": self.feed, "observer": observed})
        self.saved_at = time.monotonic()

    def summarise(self, state: State) -> Row:
        """Return the last row without its schedules, and the cost of the run."""
        cost = self.usage.read_cost()
        left_out = ("epoch", "learning_rate", *state.objective.schedule(state.step, state.steps))
        last = {key: value for key, value in self.rows[-1].items() if key not in left_out}
        return last | cost | {"images_per_second": state.steps * self.params.batch_size / cost["seconds"]}

    def close(self) -> None:
        """Close the live logs."""
        for logger in list(self.loggers):
            self.try_log(logger, logger.close)
