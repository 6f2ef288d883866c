"""The training of one seed on CIFAR-10, measured every few epochs by images that it is not trained on."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks import cifar10
from components.pretrain import loop as train
from components.pretrain.checkpoint import Checkpoint
from components.pretrain.params import Pretrain
from components.pretrain.readings import Sample, measure_knn_accuracy

Images = tuple[Tensor, Tensor]  # (N, 3, S, S) uint8 and (N,)
Reading = dict[str, float]


class Course:
    """The training of one seed; measuring and saving do not count as training time."""

    def __init__(
        self,
        params: Pretrain,
        trained: Images,
        device: torch.device,
        checkpoint: Checkpoint | None,
        on_reading: Callable[[Reading], None],
    ) -> None:
        """Go on from the checkpoint, if it holds something; `on_reading` is given each new reading, also in `seen`."""
        self.params, self.checkpoint, self.on_reading = params, checkpoint, on_reading
        rows, queries = hold_out_queries(params, len(trained[0]))
        images, labels = trained[0][rows], trained[1][rows]
        bank = slice(params.watch.knn_bank)  # the rows are shuffled
        self.sample = Sample(images[:0], trained[0][queries], trained[1][queries], images[bank], labels[bank])
        self.seen: list[Reading] = []
        self.began = time.perf_counter()
        self.state, self.engine, self.feed = cifar10.start_run(params, images, device)
        if checkpoint and (remembered := checkpoint.load()):
            train.restore(self.state, remembered["state"])
            self.seen = remembered["seen"]
            self.began -= self.seen[-1]["seconds"]

    def run(self) -> None:
        """Train to the last epoch."""
        train.train(self.state, self.engine, self.feed, self.params, on_step=lambda _: None, on_epoch=self.on_epoch)

    def on_epoch(self, state: train.State, record: train.EpochRecord) -> None:
        """Measure the encoder if its turn has come. The loop has just waited for the device, so the clock is right."""
        if record.epoch % self.params.watch.every_epochs and state.step < state.steps:
            return
        now = time.perf_counter()
        state.objective.eval()
        accuracy = measure_knn_accuracy(state, self.engine, self.sample, self.params)
        state.objective.train()
        seconds = now - self.began
        self.seen.append({"epoch": record.epoch, "seconds": seconds, "loss": record.loss, "held_out_knn": accuracy})
        self.on_reading(self.seen[-1])
        if self.checkpoint:
            self.checkpoint.save({"state": train.remember(state), "seen": self.seen})
        self.began += time.perf_counter() - now

    def measure_cost(self) -> dict[str, float]:
        """Return the seconds of pretraining, compilation included, and the images per second."""
        seconds = self.seen[-1]["seconds"]
        return {"seconds": seconds, "images_per_second": self.state.steps * self.params.batch_size / seconds}


def hold_out_queries(params: Pretrain, count: int) -> tuple[Tensor, Tensor]:
    """Divide so many train images into those that are trained on, shuffled, and the queries of the kNN: row numbers."""
    rows = torch.from_numpy(np.random.default_rng(params.seed).permutation(count))
    queries = min(params.watch.knn_queries, count // 2)
    return rows[queries:], rows[:queries]
