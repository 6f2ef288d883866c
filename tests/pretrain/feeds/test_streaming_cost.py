"""What a stream costs: memory, reading, pauses and threads."""

from typing import ClassVar

import pytest
import torch

from components.store.store import Group
from tests.pretrain.feeds.numbered import Numbers, epochs, open_feed


def test_workers_go_on_from_epoch_to_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started anew, they would have nothing ready: a pause at the beginning of every epoch."""
    opened: list[int] = []
    feed = open_feed(5, 2, 10)
    start = feed._open
    monkeypatch.setattr(feed, "_open", lambda step: opened.append(step) or start(step))
    epochs(feed, 3)
    assert opened == [0]


def test_what_is_passed_is_not_read_again() -> None:
    """A run that goes on late in an epoch of millions of images has to begin at once."""
    store = Numbers((10,) * 10)
    list(open_feed(10, 1, 10, store=store).pairs(7))
    assert len(store.read) == 3


def test_decoding_in_this_process_leaves_its_threads_alone() -> None:
    """Their number decides the order of sums, and so the bits of the network."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        epochs(open_feed(4, 1, 8))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Held(bytes):
    """An encoded image that knows how many of its kind are in memory."""

    now: ClassVar[int] = 0
    most: ClassVar[int] = 0

    def __init__(self, *_: object) -> None:
        Held.now += 1
        Held.most = max(Held.most, Held.now)

    def __del__(self) -> None:
        Held.now -= 1


class Large(Numbers):
    """Counts what is held of it."""

    def read_group(self, group: Group) -> list[bytes]:
        """As texts that are counted."""
        return [Held(text) for text in super().read_group(group)]


@pytest.mark.parametrize("groups", [24, 84])
def test_a_worker_holds_a_window_a_row_group_and_a_batch_however_many_images_there_are(groups: int) -> None:
    Held.now = Held.most = 0
    epochs(open_feed(5, 1, 60, store=Large((10,) * groups)), 2)
    assert 60 <= Held.most <= 60 + 10 + 5
