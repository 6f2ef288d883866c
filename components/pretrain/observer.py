"""Who looks on while a run trains: progress, readings now and then, live logs, checkpoints; the run stays the same."""

import time
from pathlib import Path
from typing import Any

import torch

from components.learning.engine import Engine
from components.pretrain.checkpoint import Checkpoint
from components.pretrain.loop import EpochRecord, State, check_losses, remember
from components.pretrain.params import Pretrain
from components.pretrain.readings import Sample, read
from components.show.loggers import open_loggers
from components.show.progress import Progress
from components.show.usage import Usage

Row = dict[str, float]


class Observer:
    """Of the process that writes."""

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
        remembered: dict[str, Any] | None,
    ) -> None:
        """`feed`: which kind; `remembered`: what an earlier observer of the same run saved with `save`."""
        before = remembered["observer"] if remembered else {"rows": [], "moments": [], "cost": {}}
        self.rows: list[Row] = before["rows"]  # one an epoch; readings where they were taken
        self.moments: list[Row] = before["moments"]  # beside each what is never twice the same, so not in the curve
        self.params, self.engine, self.feed, self.checkpoint, self.sample = params, engine, feed, checkpoint, sample
        self.loggers = open_loggers(params.watch.loggers, folder)
        for row, moment in zip(self.rows, self.moments, strict=True):
            self.log(row | moment)
        self.usage = Usage(engine.device, processes, before["cost"])
        done = state.step * params.batch_size
        self.progress = Progress("pretrain", state.steps * params.batch_size, "images", done)
        if params.optimiser.warmup_epochs > params.epochs:
            print(
                f"pretrain: the warm-up, {params.optimiser.warmup_epochs:g} epochs, is longer than the run", flush=True
            )
        if remembered:
            print(f"pretrain: going on after step {state.step:,} of {state.steps:,}", flush=True)
        self.saved = time.monotonic()
        self.counted = state.step, self.saved  # where the rate of the epoch begins: a resumed one has fewer steps

    def on_step(self, state: State) -> None:
        """Show where the run is, and save it when it is time."""
        loss = f", loss {self.rows[-1]['loss']:.4f}" if self.rows else ""
        epoch = (state.step - 1) // len(state.losses) + 1
        self.progress.advance(self.params.batch_size, f"epoch {epoch} of {self.params.epochs}{loss}")
        last = state.step == state.steps
        if last or time.monotonic() - self.saved >= self.params.checkpoint_seconds:
            check_losses(state)
            self.save(state)

    def on_epoch(self, state: State, record: EpochRecord) -> None:
        """Take the readings when it is time, and log. Raises RunError for a collapse."""
        row: Row = record.row()
        step, began = self.counted
        rate = (state.step - step) * self.params.batch_size / (time.monotonic() - began)
        if record.epoch % self.params.watch.every_epochs == 0 or state.step == state.steps:
            row |= read(state, self.engine, self.sample, self.params)
        moment = {"images_per_second": rate}
        if self.engine.device.type == "cuda":
            moment["gpu_memory_bytes"] = float(torch.cuda.max_memory_allocated(self.engine.device))
        self.rows.append(row)
        self.moments.append(moment)
        self.log(row | moment)
        self.counted = state.step, time.monotonic()

    def log(self, row: Row) -> None:
        """To whoever watches."""
        values = {key: value for key, value in row.items() if key != "epoch"}
        for logger in list(self.loggers):
            try:
                logger.log(int(row["epoch"]), values)
            except Exception as error:  # a full disk, say: the run does without this log from now on
                self.loggers.remove(logger)
                name = type(logger).__name__
                print(f"pretrain: no more log by {name}: {' '.join(str(error).split())}", flush=True)

    def save(self, state: State) -> None:
        """All that a later process needs to go on as if nothing had happened."""
        observed = {"rows": self.rows, "moments": self.moments, "cost": self.usage.read()}
        self.checkpoint.save({"state": remember(state), "feed": self.feed, "observer": observed})
        self.saved = time.monotonic()

    def summary(self, state: State) -> Row:
        """The last row without its schedules, and the cost."""
        cost = self.usage.read()
        left_out = ("epoch", "learning_rate", *state.objective.schedule(state.step, state.steps))
        last = {key: value for key, value in self.rows[-1].items() if key not in left_out}
        return last | cost | {"images_per_second": state.steps * self.params.batch_size / cost["seconds"]}

    def close(self) -> None:
        """Close the logs."""
        for logger in self.loggers:
            logger.close()
