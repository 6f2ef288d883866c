"""A streaming feed whose image n is the number n, so that its batches tell which images they hold."""

from typing import Any

import torch

from components.learning.objective import Batch, Draws, ViewSet
from components.learning.replicas import Replica
from components.pretrain.feeds.streaming import Plan, StreamingFeed, make_plan
from components.store.store import Group, Store

SIZES = (7, 1, 12, 5, 9, 3, 13)  # images per row group
IMAGES = sum(SIZES)  # 50
CPU = torch.device("cpu")
ALONE = Replica(0, 1)


class Numbers(Store):
    """A store whose image n, counted through its row groups, is the text of the number n."""

    def __init__(self, sizes: tuple[int, ...] = SIZES) -> None:
        self.firsts = [sum(sizes[:group]) for group in range(len(sizes))]
        self.row_groups = [Group(0, number, None, size) for number, size in enumerate(sizes)]
        self.groups_read: list[int] = []

    def read_group(self, group: Group) -> list[bytes]:
        """Return the numbers of the group's images as texts."""
        self.groups_read.append(group.group)
        return [b"%d" % (self.firsts[group.group] + row) for row in range(group.count)]


def make_number_batch(encoded: list[bytes], step: int) -> Batch:
    return torch.tensor([int(text) for text in encoded]), torch.tensor(step)


class NoViews:
    """A maker of a feed whose batches are looked at and never made views of."""

    def draw(self, step: int) -> Draws:
        """Refuse to draw."""
        raise NotImplementedError

    def make(self, batch: Batch, draws: Draws) -> ViewSet:
        """Refuse to make views."""
        raise NotImplementedError


def make_number_plan(
    store: Numbers, batch: int, workers: int, window: int, seed: int = 0, replica: Replica = ALONE
) -> Plan:
    return make_plan(store.row_groups, batch_size=batch, workers=workers, window=window, seed=seed, replica=replica)


def open_number_feed(*case: Any, workers: int = 0, store: Numbers | None = None, **options: Any) -> StreamingFeed:
    store = store or Numbers()
    plan = make_number_plan(store, *case, **options)
    return StreamingFeed(store, plan, workers=workers, make_batch=make_number_batch, maker=NoViews(), device=CPU)


def collect_batches(feed: StreamingFeed, count: int = 1) -> list[list[int]]:
    """Collect every batch of `count` epochs."""
    return [numbers for epoch in range(count) for numbers in collect_from(feed, epoch * feed.steps_per_epoch)]


def collect_from(feed: StreamingFeed, step: int) -> list[list[int]]:
    """Collect the batches from a step to the end of its epoch, each of which must have been made for its own step."""
    batches = list(feed.batches(step))
    assert [int(made_for) for _, made_for in batches] == list(range(step, step + len(batches)))
    return [images.tolist() for images, _ in batches]
