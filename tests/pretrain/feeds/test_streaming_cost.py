"""The costs of a streaming feed: memory, reading, pauses and threads."""

from typing import ClassVar

import pytest
import torch

from components.store.store import Group
from tests.pretrain.feeds.numbered import Numbers, collect_batches, open_number_feed


def test_workers_go_on_from_epoch_to_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that were started anew would have nothing ready: every epoch would begin with a pause."""
    opened: list[int] = []
    feed = open_number_feed(5, 2, 10)
    start = feed._open
    monkeypatch.setattr(feed, "_open", lambda step: opened.append(step) or start(step))
    collect_batches(feed, 3)
    assert opened == [0]


def test_what_is_passed_is_not_read_again() -> None:
    """A run that goes on late in an epoch of millions of images has to begin at once."""
    store = Numbers((10,) * 10)
    list(open_number_feed(10, 1, 10, store=store).batches(7))
    assert len(store.groups_read) == 3


def test_decoding_in_this_process_leaves_its_threads_alone() -> None:
    """The number of threads decides the order of sums, and so the bits of the network."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        collect_batches(open_number_feed(4, 1, 8))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Held(bytes):
    """An encoded image whose class counts how many of them are in memory."""

    now: ClassVar[int] = 0
    most: ClassVar[int] = 0

    def __init__(self, *_: object) -> None:
        Held.now += 1
        Held.most = max(Held.most, Held.now)

    def __del__(self) -> None:
        Held.now -= 1


class CountedNumbers(Numbers):
    """A store that counts how many of its images are held in memory."""

    def read_group(self, group: Group) -> list[bytes]:
        """Return the group's images as texts that are counted."""
        return [Held(text) for text in super().read_group(group)]


@pytest.mark.parametrize("groups", [24, 84])
def test_a_worker_holds_a_window_a_row_group_and_a_batch_however_many_images_there_are(groups: int) -> None:
    Held.now = Held.most = 0
    collect_batches(open_number_feed(5, 1, 60, store=CountedNumbers((10,) * groups)), 2)
    assert 60 <= Held.most <= 60 + 10 + 5
