"""An epoch of the resident feed: which images it shows, in which order, and as which views."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from components.encoder.normalise import normalise
from components.encoder.params import Images
from components.learning.params import TargetView, View, Views
from components.learning.replicas import Replica
from components.pretrain.feeds.maker import BatchedMaker
from components.pretrain.feeds.resident import ResidentFeed
from tests.pretrain.tiny import CPU

ALONE = Replica(0, 1)
RAW = Images(side=8, read_side=8, range=None, colours=None, mean=(0.0,), std=(1.0,))


def make_numbered_images(count: int) -> Tensor:
    """Fill image n with the gray n, so that it can be recognised."""
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 1, 8, 8).contiguous()


def make_feed(
    count: int, batch: int, view: View, *, seed: int = 0, second: View | None = None, replica: Replica = ALONE
) -> ResidentFeed:
    views = Views(online=2, first=view, second=second or view, target=None)
    maker = BatchedMaker(views, RAW, seed=seed, batch_size=batch, replica=replica, device=CPU)
    return ResidentFeed(make_numbered_images(count), maker)


def show(feed: ResidentFeed, step: int = 0) -> Iterator[tuple[Tensor, ...]]:
    """Yield the online network's views of every batch from this step to the end of its epoch."""
    for number, batch in enumerate(feed.batches(step), start=step):
        yield feed.maker.make(batch, feed.maker.draw(number)).online


def read_numbers(view: Tensor) -> list[int]:
    """Return which image each row of a batch is, by its mean gray."""
    return (view.mean((1, 2, 3)) * 255).round().int().tolist()


def collect_epoch(feed: ResidentFeed, epoch: int = 0) -> list[list[int]]:
    return [read_numbers(first) for first, _ in show(feed, epoch * feed.steps_per_epoch)]


def test_an_epoch_shows_each_image_at_most_once_and_only_whole_batches(view_with: Callable[..., View]) -> None:
    feed = make_feed(11, 4, view_with())
    batches = collect_epoch(feed)
    assert feed.steps_per_epoch == 2
    assert [len(batch) for batch in batches] == [4, 4]
    seen = [number for batch in batches for number in batch]
    assert len(set(seen)) == 8
    assert set(seen) <= set(range(11))


def test_every_epoch_has_a_fresh_order_so_that_the_rest_is_shown_in_time(view_with: Callable[..., View]) -> None:
    feed = make_feed(11, 4, view_with())
    epochs = [collect_epoch(feed, epoch) for epoch in range(12)]
    assert len({str(epoch) for epoch in epochs}) == 12
    assert {number for epoch in epochs for batch in epoch for number in batch} == set(range(11))


def test_images_that_fill_the_batches_are_all_shown(view_with: Callable[..., View]) -> None:
    batches = collect_epoch(make_feed(12, 4, view_with()))
    assert sorted(number for batch in batches for number in batch) == list(range(12))


def test_both_views_of_a_row_are_of_the_same_image(view_with: Callable[..., View]) -> None:
    """A mismatched row teaches the encoder that different images are alike."""
    feed = make_feed(20, 5, view_with(flip=0.5), second=view_with(noise=0.0005))
    for first, second in show(feed):
        assert read_numbers(first) == read_numbers(second)
        assert not torch.equal(first, second)


def test_both_views_are_drawn_anew(view_with: Callable[..., View]) -> None:
    feed = make_feed(4, 4, view_with(noise=0.1))
    (first, second), (again, _) = next(show(feed, 0)), next(show(feed, 1))
    assert not torch.equal(first, second)
    assert not torch.equal(first, again)


def test_the_same_seed_gives_the_same_epochs_and_another_seed_does_not(view_with: Callable[..., View]) -> None:
    def first_views(seed: int) -> Tensor:
        feed = make_feed(12, 4, view_with(noise=0.1, rotate=20.0), seed=seed)
        return torch.cat([torch.cat(pair) for epoch in range(2) for pair in show(feed, 3 * epoch)])

    assert torch.equal(first_views(3), first_views(3))
    assert not torch.equal(first_views(3), first_views(4))


def test_the_feed_draws_from_a_generator_of_its_own(view_with: Callable[..., View]) -> None:
    """Dropout or a probe that draws a number must not change which images come next."""
    torch.manual_seed(0)
    batches = collect_epoch(make_feed(12, 4, view_with()))
    torch.manual_seed(1)
    assert collect_epoch(make_feed(12, 4, view_with())) == batches


@pytest.mark.parametrize(("mean", "std"), [((0.3,), (0.4,)), ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))], ids=["gray", "rgb"])
def test_the_network_sees_pixels_shifted_and_scaled_by_channel(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    params = Images(side=8, read_side=8, range=None, colours=None, mean=mean, std=std)
    pixels = np.random.default_rng(0).integers(0, 256, (5, len(mean), 8, 8), dtype=np.uint8)
    expected = np.empty(pixels.shape)
    for channel in range(len(mean)):
        expected[:, channel] = (pixels[:, channel].astype(np.float64) / 255 - mean[channel]) / std[channel]
    np.testing.assert_allclose(normalise(torch.from_numpy(pixels), params).numpy(), expected, atol=1e-5)
    floats = torch.from_numpy(pixels).float() / 255
    np.testing.assert_allclose(normalise(floats, params).numpy(), expected, atol=1e-5)


def test_the_feed_normalises_both_views(view_with: Callable[..., View]) -> None:
    views = Views(online=2, first=view_with(), second=view_with(), target=None)
    params = Images(side=8, read_side=8, range=None, colours=None, mean=(0.25,), std=(0.5,))
    white = torch.full((2, 1, 8, 8), 255, dtype=torch.uint8)
    maker = BatchedMaker(views, params, seed=0, batch_size=2, replica=ALONE, device=CPU)
    for view in next(show(ResidentFeed(white, maker))):
        torch.testing.assert_close(view, torch.full((2, 1, 8, 8), 1.5))


def test_a_feed_begins_at_any_step_as_if_it_had_come_there(view_with: Callable[..., View]) -> None:
    """Otherwise a resumed run would see other images than the run that was interrupted."""
    feed = make_feed(13, 4, view_with(noise=0.1, rotate=20.0))
    whole = [pair for epoch in range(2) for pair in show(feed, 3 * epoch)]
    for step in range(6):
        rest = list(show(make_feed(13, 4, view_with(noise=0.1, rotate=20.0)), step))
        assert len(rest) == 3 - step % 3
        for resumed, expected in zip(rest, whole[step:], strict=False):
            assert torch.equal(resumed[0], expected[0])
            assert torch.equal(resumed[1], expected[1])


def test_processes_share_a_batch_as_one_would_have_seen_it(view_with: Callable[..., View]) -> None:
    """Twice as many GPUs must not change which images, or which views of them, a step sees."""
    view = view_with(flip=0.5, noise=0.1, rotate=20.0)
    views = Views(online=3, first=view, second=view, target=TargetView(**view.model_dump(), count=2))

    def collect(replica: Replica) -> list[list[Tensor]]:
        maker = BatchedMaker(views, RAW, seed=0, batch_size=4, replica=replica, device=CPU)
        feed = ResidentFeed(make_numbered_images(12), maker)
        made = [maker.make(batch, maker.draw(step)) for step, batch in enumerate(feed.batches(0))]
        return [[*online, *target] for online, target in made]

    parts = [collect(Replica(rank, 2)) for rank in range(2)]
    for step, expected in enumerate(collect(ALONE)):
        assert len(expected) == 5
        for number, whole in enumerate(expected):
            together = torch.cat([part[step][number] for part in parts])
            torch.testing.assert_close(together, whole, rtol=0, atol=1e-5)
