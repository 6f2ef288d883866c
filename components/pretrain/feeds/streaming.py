"""Batches straight from the store's shards, so that memory stays the same however many images there are.

Every epoch deals the row groups out in a new order, cuts that sequence of images into one stretch a worker, and each
worker mixes its stretch a window at a time: the two-level shuffle of WebDataset and tf.data, made a function of seed
and epoch. A step's images depend on the seed, the step, and the numbers of workers and processes, so that a run can go
on at any step. N images, B a batch of all processes, b this process's part of it, C channels, S pixels a side.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from components.learning.objective import Pair
from components.learning.randomness import ORDER, derive
from components.learning.replicas import Replica
from components.stage.errors import InputError
from components.store.store import Group, Store

Batch = Tensor | tuple[Tensor, Tensor]  # images to make views of, or views: (b, C, S, S) uint8
MakeBatch = Callable[[list[bytes], int], Batch]  # encoded images and the step -> what the worker hands over


@dataclass(frozen=True)
class Plan:
    """Who reads what."""

    groups: list[Group]
    batch_size: int  # b
    workers: int
    window: int  # batches mixed at a time, at most
    steps_per_epoch: int  # a multiple of `workers`
    seed: int
    replica: Replica

    @property
    def cuts(self) -> list[int]:
        """The batches of a stretch at which windows meet, its ends included: as even as they can be.

        Cut off one by one, the last might be of a single batch, and mix nothing.
        """
        batches = self.steps_per_epoch // self.workers
        windows = -(-batches // self.window)
        return [number * batches // windows for number in range(windows + 1)]

    def stretch(self, epoch: int, worker: int) -> list[tuple[Group, slice]]:
        """The row groups, in this epoch's order, that hold the images of a worker of this process."""
        order = np.random.default_rng(derive(self.seed, ORDER, epoch)).permutation(len(self.groups))
        length = self.steps_per_epoch // self.workers * self.batch_size
        first = (self.replica.rank * self.workers + worker) * length
        stretch, at = [], 0
        for group in (self.groups[number] for number in order):
            low, high = max(first - at, 0), min(first + length - at, group.count)
            if low < high:
                stretch.append((group, slice(low, high)))
            at += group.count
        return stretch


def make_plan(groups: list[Group], *, batch_size: int, workers: int, window: int, seed: int, replica: Replica) -> Plan:
    """`batch_size` is B. Fewer workers than asked for where there are not as many batches in an epoch."""
    images = sum(group.count for group in groups)
    workers = max(1, min(workers, images // batch_size))
    each = batch_size // replica.world
    steps = images // (batch_size * workers) * workers
    return Plan(groups, each, workers, max(1, window // each), steps, seed, replica)


class Stream(IterableDataset[Batch]):
    """One worker's batches from a step of the run on, or those of all by turns where there is one process."""

    def __init__(self, store: Store, plan: Plan, make_batch: MakeBatch, step: int) -> None:
        self.store, self.plan, self.make_batch, self.step = store, plan, make_batch, step

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        turns = [self.turn(turn) for turn in ([info.id] if info else range(self.plan.workers))]
        for one in cycle(turns):
            yield next(one)

    def turn(self, turn: int) -> Iterator[Batch]:
        """What one worker makes, without end."""
        # The loader takes from its workers in turn, from the first on: the first begins where the run is.
        number = (turn + self.step) % self.plan.workers
        epoch, done = divmod(self.step, self.plan.steps_per_epoch)
        skip = (done - number + self.plan.workers - 1) // self.plan.workers  # batches of this worker that are done
        while True:
            for place, encoded in enumerate(self.batches(epoch, number, skip), start=skip):
                step = epoch * self.plan.steps_per_epoch + place * self.plan.workers + number
                yield self.make_batch(encoded, step)
            epoch, skip = epoch + 1, 0

    def batches(self, epoch: int, worker: int, skip: int) -> Iterator[list[bytes]]:
        """A worker's batches of an epoch but for the first `skip`; at most a window is held."""
        plan, cuts = self.plan, self.plan.cuts
        for number, window in self.windows(plan.stretch(epoch, worker), bisect_right(cuts, skip) - 1):
            rng = np.random.default_rng(derive(plan.seed, ORDER, epoch, plan.replica.rank, worker, number))
            order = rng.permutation(len(window))
            for batch in range(max(skip - cuts[number], 0), cuts[number + 1] - cuts[number]):
                yield [window[row] for row in order[batch * plan.batch_size :][: plan.batch_size]]
            del window  # else it would be held while the next one is read

    def windows(self, stretch: list[tuple[Group, slice]], skip: int) -> Iterator[tuple[int, list[bytes]]]:
        """Encoded images, a window at a time, without reading the first `skip` windows."""
        sizes = [(end - begin) * self.plan.batch_size for begin, end in pairwise(self.plan.cuts)]
        number, left = skip, sum(sizes[:skip])
        held: list[bytes] = []
        for group, rows in stretch:
            passed = min(left, rows.stop - rows.start)
            left -= passed
            if passed == rows.stop - rows.start:
                continue
            held += self.store.read_group(group)[rows.start + passed : rows.stop]
            while number < len(sizes) and len(held) >= sizes[number]:
                yield number, held[: sizes[number]]
                held = held[sizes[number] :]
                number += 1


class StreamingFeed:
    """A feed whose workers read, decode and batch ahead of the training step."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        *,
        workers: int,
        make_batch: MakeBatch,
        finish: Callable[[Batch, int], Pair],
        device: torch.device,
    ) -> None:
        """`workers` 0: this process does what the plan's would. `finish` makes a pair of a batch on the device."""
        if plan.steps_per_epoch == 0:
            raise InputError("params.yaml: pretrain.batch_size: more than the images that there are")
        self.store, self.plan, self.make_batch, self.finish, self.device = store, plan, make_batch, finish, device
        self.workers = plan.workers if workers else 0
        self.steps_per_epoch = plan.steps_per_epoch
        self.step = -1  # of the run, that the open stream gives next
        self.batches: Iterator[Batch] = iter(())

    def pairs(self, step: int) -> Iterator[Pair]:  # noqa: D102
        if step != self.step:
            self.batches, self.step = self._open(step), step
        for number in range(step, (step // self.steps_per_epoch + 1) * self.steps_per_epoch):
            batch = next(self.batches)
            self.step = number + 1
            if isinstance(batch, Tensor):
                yield self.finish(batch.to(self.device, non_blocking=True), number)
            else:
                first, second = (view.to(self.device, non_blocking=True) for view in batch)
                yield self.finish((first, second), number)

    def _open(self, step: int) -> Iterator[Batch]:
        stream = Stream(self.store, self.plan, self.make_batch, step)
        pinned = self.device.type == "cuda"
        loader = DataLoader(stream, batch_size=None, num_workers=self.workers, pin_memory=pinned)
        return cast(Iterator[Batch], iter(loader))
