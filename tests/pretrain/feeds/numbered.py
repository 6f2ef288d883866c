"""A stream whose image n is the number n: what it shows can be read off its batches."""

from typing import Any

import torch

from components.learning.objective import Pair
from components.learning.replicas import Replica
from components.pretrain.feeds.streaming import Batch, Plan, StreamingFeed, make_plan
from components.store.store import Group, Store

SIZES = (7, 1, 12, 5, 9, 3, 13)  # images a row group
IMAGES = sum(SIZES)  # 50
CPU = torch.device("cpu")
ALONE = Replica(0, 1)


class Numbers(Store):
    """Image n of the row groups one after the other is the text of the number n."""

    def __init__(self, sizes: tuple[int, ...] = SIZES) -> None:
        self.firsts = [sum(sizes[:group]) for group in range(len(sizes))]
        self.all = [Group(0, number, None, size) for number, size in enumerate(sizes)]
        self.read: list[int] = []

    def read_group(self, group: Group) -> list[bytes]:
        """As texts."""
        self.read.append(group.group)
        return [b"%d" % (self.firsts[group.group] + row) for row in range(group.count)]


def decode(encoded: list[bytes], step: int) -> Batch:
    return torch.tensor([int(one) for one in encoded]), torch.tensor(step)


def check(batch: Batch, step: int) -> Pair:
    """The worker made its views for the very step that takes them."""
    images, made_for = batch
    assert int(made_for) == step
    return images, made_for


def plan_of(store: Numbers, batch: int, workers: int, window: int, seed: int = 0, replica: Replica = ALONE) -> Plan:
    return make_plan(store.all, batch_size=batch, workers=workers, window=window, seed=seed, replica=replica)


def open_feed(*case: Any, workers: int = 0, store: Numbers | None = None, **others: Any) -> StreamingFeed:
    store = store or Numbers()
    plan = plan_of(store, *case, **others)
    return StreamingFeed(store, plan, workers=workers, make_batch=decode, finish=check, device=CPU)


def epochs(feed: StreamingFeed, count: int = 1) -> list[list[int]]:
    """Every batch of so many epochs."""
    return [batch.tolist() for epoch in range(count) for batch, _ in feed.pairs(epoch * feed.steps_per_epoch)]
