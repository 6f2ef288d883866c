"""The streaming feed, which reads batches from the store's shards, so that its memory does not grow with the images.

Every epoch puts the row groups into a new order and cuts that sequence of images into one stretch per worker, and each
worker mixes its stretch a window at a time: the two-level shuffle of WebDataset and tf.data, made a function of seed
and epoch. A step's images depend on the seed, the step, and the numbers of workers and processes, so that a run can go
on at any step.

N images, B a batch of all processes, b this process's part of it, C channels, S pixels per side.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import cast

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from components.learning.objective import Batch, ViewMaker
from components.learning.randomness import ORDER, derive_seed
from components.learning.replicas import Replica
from components.pretrain.feeds import handing
from components.pretrain.feeds.handing import Parcel
from components.stage.errors import InputError
from components.stage.process import end_with_parent
from components.store.store import Group, Store

MakeBatch = Callable[[list[bytes], int], Batch]  # encoded images and the step -> what the worker hands over


@dataclass(frozen=True)
class Plan:
    """Says which process and which worker reads which images of an epoch."""

    groups: list[Group]
    batch_size: int  # b
    workers: int
    window: int  # at most this many batches are mixed at a time
    steps_per_epoch: int  # a multiple of `workers`
    seed: int
    replica: Replica

    @property
    def cuts(self) -> list[int]:
        """The batch numbers at which a stretch is cut into windows, its ends included, as evenly as possible.

        If windows were cut at their full size, the last might hold a single batch and mix nothing.
        """
        batches = self.steps_per_epoch // self.workers
        windows = -(-batches // self.window)
        return [number * batches // windows for number in range(windows + 1)]

    def list_stretch(self, epoch: int, worker: int) -> list[tuple[Group, slice]]:
        """List the row groups, in the epoch's order, and their rows, that one worker of this process reads."""
        order = np.random.default_rng(derive_seed(self.seed, ORDER, epoch)).permutation(len(self.groups))
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
    """Make the plan for `batch_size` B, with fewer workers than asked for if an epoch has fewer batches."""
    images = sum(group.count for group in groups)
    workers = max(1, min(workers, images // batch_size))
    own_batch_size = batch_size // replica.world  # b
    steps = images // (batch_size * workers) * workers
    return Plan(groups, own_batch_size, workers, max(1, window // own_batch_size), steps, seed, replica)


class Stream(IterableDataset[Parcel | InputError]):
    """One worker's batches from a step of the run on, or all workers' batches by turns without worker processes."""

    def __init__(self, store: Store, plan: Plan, make_batch: MakeBatch, step: int) -> None:
        self.store, self.plan, self.make_batch, self.step = store, plan, make_batch, step

    def __iter__(self) -> Iterator[Parcel | InputError]:
        info = get_worker_info()
        workers = [self.make_batches(turn) for turn in ([info.id] if info else range(self.plan.workers))]
        for batches in cycle(workers):
            try:
                yield handing.pack(next(batches)) if info else next(batches)
            except InputError as error:  # torch would hand over a trace instead of its line
                yield error
                return

    def make_batches(self, turn: int) -> Iterator[Batch]:
        """Yield the batches of the worker that comes at this place in the turns, without end."""
        # The loader takes from its workers in turn and begins with the first, which so has to make this very step.
        number = (turn + self.step) % self.plan.workers
        epoch, done = divmod(self.step, self.plan.steps_per_epoch)
        skip = (done - number + self.plan.workers - 1) // self.plan.workers  # batches that this worker has done
        while True:
            for place, encoded in enumerate(self.read_batches(epoch, number, skip), start=skip):
                step = epoch * self.plan.steps_per_epoch + place * self.plan.workers + number
                yield self.make_batch(encoded, step)
            epoch, skip = epoch + 1, 0

    def read_batches(self, epoch: int, worker: int, skip: int) -> Iterator[list[bytes]]:
        """Yield a worker's encoded batches of an epoch without the first `skip`; hold at most a window."""
        plan, cuts = self.plan, self.plan.cuts
        for number, window in self.read_windows(plan.list_stretch(epoch, worker), bisect_right(cuts, skip) - 1):
            rng = np.random.default_rng(derive_seed(plan.seed, ORDER, epoch, plan.replica.rank, worker, number))
            order = rng.permutation(len(window))
            for batch in range(max(skip - cuts[number], 0), cuts[number + 1] - cuts[number]):
                yield [window[row] for row in order[batch * plan.batch_size :][: plan.batch_size]]
            del window  # otherwise it would be held while the next window is read

    def read_windows(self, stretch: list[tuple[Group, slice]], skip: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield numbered windows of encoded images without reading the first `skip` of them."""
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
    """A feed whose workers read, decode and batch images ahead of the training step."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        *,
        workers: int,
        make_batch: MakeBatch,
        maker: ViewMaker,
        device: torch.device,
    ) -> None:
        """Let this process do the work of the plan's workers if `workers` is 0.

        Raises InputError if the images do not fill a batch.
        """
        if plan.steps_per_epoch == 0:
            raise InputError("params.yaml: pretrain.batch_size: more than the images that there are")
        self.store, self.plan, self.make_batch, self.maker, self.device = store, plan, make_batch, maker, device
        self.workers = plan.workers if workers else 0
        self.steps_per_epoch = plan.steps_per_epoch
        self.step = -1  # of the run: what the open stream gives next; nothing is open yet
        self.stream: Iterator[Parcel | InputError] = iter(())
        self.short = False  # whether it was said that shared memory is full

    def batches(self, step: int) -> Iterator[Batch]:  # noqa: D102
        if step != self.step:
            self.stream, self.step = self._open(step), step
        for number in range(step, (step // self.steps_per_epoch + 1) * self.steps_per_epoch):
            parcel = next(self.stream)
            if isinstance(parcel, InputError):
                raise parcel
            self.step = number + 1
            if handing.is_piped(parcel):
                self._say_shortage("they go through pipes")
            yield tuple(part.to(self.device, non_blocking=True) for part in handing.unpack(parcel))

    def _open(self, step: int) -> Iterator[Parcel | InputError]:
        workers = self.workers
        if workers and not handing.has_room_for_locks(workers):
            self._say_shortage("this process makes them itself")
            workers = 0
        loader = DataLoader(
            Stream(self.store, self.plan, self.make_batch, step),
            batch_size=None,
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            collate_fn=handing.keep,
            worker_init_fn=end_with_parent,
        )
        return cast(Iterator[Parcel | InputError], iter(loader))

    def _say_shortage(self, consequence: str) -> None:
        """Say once that shared memory is full."""
        if not self.short:
            print(handing.describe_shortage(consequence), flush=True)
        self.short = True
