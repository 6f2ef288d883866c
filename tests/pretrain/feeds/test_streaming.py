"""A streaming feed: which images a run sees, and in which batches, from any step on and with any number of workers."""

import pytest

from components.learning.replicas import Replica
from components.pretrain.feeds.streaming import Stream
from components.stage.errors import InputError
from components.store.store import Group
from tests.pretrain.feeds.numbered import (
    IMAGES,
    Numbers,
    collect_batches,
    collect_from,
    make_number_batch,
    make_number_plan,
    open_number_feed,
)

CASES = [  # B, workers, images per window
    pytest.param(4, 1, 4, id="a window of a batch"),
    pytest.param(4, 2, 1, id="a window smaller than a batch"),
    pytest.param(4, 2, 15, id="a window that is no multiple of a batch"),
    pytest.param(2, 3, 6, id="a window that does not divide a stretch"),
    pytest.param(6, 2, 1000, id="a window larger than everything"),
    pytest.param(10, 5, 20, id="a batch per worker"),
]


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize(("batch", "workers", "window"), CASES)
def test_an_epoch_shows_each_image_once_but_for_a_rest(batch: int, workers: int, window: int, world: int) -> None:
    """The rest does not fill a batch of every worker; no two workers or processes show the same image."""
    feeds = [open_number_feed(batch, workers, window, replica=Replica(rank, world)) for rank in range(world)]
    shown = [collect_batches(feed) for feed in feeds]
    assert {len(batches) for batches in shown} == {IMAGES // (batch * workers) * workers}
    assert {len(numbers) for batches in shown for numbers in batches} == {batch // world}
    seen = [image for batches in shown for numbers in batches for image in numbers]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(IMAGES))
    assert IMAGES - len(seen) < batch * workers


def test_the_rest_is_another_one_each_epoch() -> None:
    assert {image for batch in collect_batches(open_number_feed(6, 2, 12), 12) for image in batch} == set(range(IMAGES))


def test_every_epoch_has_an_order_and_batches_of_its_own() -> None:
    batches = collect_batches(open_number_feed(5, 2, 1000), 12)
    assert len({str(batches[first : first + 10]) for first in range(0, 120, 10)}) == 12
    assert len({frozenset(batch) for batch in batches}) == 120


def test_a_window_mixes_the_images_of_several_row_groups() -> None:
    """A store is often written one class after the other: without mixing, a batch would hold a single class."""
    store = Numbers((10,) * 10)
    groups = [{image // 10 for image in batch} for batch in collect_batches(open_number_feed(10, 1, 50, store=store))]
    assert min(len(groups_of_batch) for groups_of_batch in groups) > 2


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("groups", [11, 17, 24])
def test_no_window_is_much_smaller_than_another(groups: int, workers: int) -> None:
    """A window of one batch would hold a piece of a single row group, and so a single class."""
    store = Numbers((10,) * groups)
    plan = make_number_plan(store, 5, workers, 50)
    stream = Stream(store, plan, make_number_batch, 0)
    for worker in range(workers):
        sizes = [len(window) for _, window in stream.read_windows(plan.list_stretch(0, worker), 0)]
        assert sum(sizes) == plan.steps_per_epoch // workers * 5
        assert max(sizes) <= 50
        assert max(sizes) - min(sizes) <= 5, "a batch"
        assert not any(size % 5 for size in sizes)


@pytest.mark.parametrize(("sizes", "window"), [((50,), 50), ((5,) * 10, 5)], ids=["of a window", "of row groups"])
def test_the_seed_decides_the_order(sizes: tuple[int, ...], window: int) -> None:
    """Batches are compared as sets, so that the second case tests the order of the row groups alone."""
    first, repeat, reseeded = (
        [
            frozenset(batch)
            for batch in collect_batches(open_number_feed(5, 1, window, store=Numbers(sizes), seed=seed), 2)
        ]
        for seed in (3, 3, 4)
    )
    assert first == repeat
    assert first != reseeded


@pytest.mark.parametrize(("batch", "workers", "window"), CASES)
def test_it_begins_at_any_step_as_if_it_had_come_there(batch: int, workers: int, window: int) -> None:
    """Otherwise a resumed run would see other images than the run that was interrupted."""
    feed = open_number_feed(batch, workers, window)
    whole = collect_batches(feed, 3)
    for step in range(2 * feed.steps_per_epoch):
        resumed = open_number_feed(batch, workers, window)
        rest = collect_from(resumed, step)
        assert rest == whole[step : (step // feed.steps_per_epoch + 1) * feed.steps_per_epoch]
        following = collect_from(resumed, step + len(rest))
        assert following == whole[step + len(rest) :][: feed.steps_per_epoch]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("step", [0, 1, 5, 7])
def test_worker_processes_give_the_batches_that_one_process_gives(workers: int, step: int) -> None:
    """The run takes two epochs of 6 steps, or one and the rest of another, over more than one window per worker."""
    case = (8, workers, 8)

    def collect_from_step(processes: int) -> list[list[int]]:
        feed = open_number_feed(*case, workers=processes)
        first = collect_from(feed, step)
        return first + collect_from(feed, step + len(first))

    assert open_number_feed(*case).steps_per_epoch == 6
    assert collect_from_step(workers) == collect_from_step(0)


def test_fewer_batches_than_workers_are_all_shown() -> None:
    """There are two batches and eight workers: a worker that had nothing to do would stop the run."""
    feed = open_number_feed(20, 8, 100, workers=8)
    batches = collect_batches(feed, 2)
    assert feed.workers == 2
    assert [len(batch) for batch in batches] == [20] * 4
    assert len({image for batch in batches[:2] for image in batch}) == 40


def test_a_batch_larger_than_the_images_is_refused() -> None:
    with pytest.raises(InputError, match=r"params\.yaml: pretrain\.batch_size: more than the images"):
        open_number_feed(IMAGES + 1, 2, 8)


class Damaged(Numbers):
    """A store with a damaged shard."""

    def read_group(self, group: Group) -> list[bytes]:
        """Refuse to read."""
        raise InputError("part-00000.parquet: damaged")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_shard_is_one_line_from_a_worker_too(workers: int) -> None:
    """torch's own way to hand over an error is a trace of the worker."""
    with pytest.raises(InputError) as caught:
        collect_batches(open_number_feed(8, 2, 8, workers=workers, store=Damaged()))
    assert str(caught.value) == "part-00000.parquet: damaged"
