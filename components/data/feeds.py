"""Which feed a run gets: decoded images in the device's memory where they fit a stated share of it, else a stream.

N images, b a process's part of a batch, C channels, H, W, R, S pixels a side: stored, read and seen.
"""

from functools import partial

import numpy as np
import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from components.byol.feed import Feed, Pair, PairMaker, ResidentFeed
from components.byol.normalise import normalise
from components.byol.randomness import VIEWS, derive
from components.byol.replicas import Replica
from components.data.decode import decode_square, decode_whole
from components.data.store import Store
from components.data.streaming import Batch, MakeBatch, StreamingFeed, make_plan
from components.params.base import InputError
from components.params.pretrain import Pretrain

bytes_as_text = partial(tqdm.format_sizeof, suffix="B", divisor=1000)


def open_feed(store: Store, splits: tuple[str, ...], params: Pretrain, device: torch.device, replica: Replica) -> Feed:
    """The feed that params.yaml asks for; says which it is and why."""
    count = sum(group.count for group in store.groups(splits))
    if count < params.batch_size:
        raise InputError(
            f"params.yaml: pretrain.batch_size: {params.batch_size} is more than the {count} images to train on"
        )
    needed = count * params.images.channels * params.images.read_side**2
    free = free_memory(device)
    fits = needed <= params.feed.resident_share * free
    resident = params.feed.kind == "resident" or (
        params.feed.kind == "auto" and fits and params.feed.executor != "albumentations"
    )
    if replica.writes:
        kind = "resident" if resident else "streaming"
        size = f"{count:,} images, {bytes_as_text(needed)} decoded, {bytes_as_text(free)} free on {device}"
        print(f"feed: {kind} ({size}; pretrain.feed.kind: {params.feed.kind})", flush=True)
    maker = PairMaker(params.views, params.images, seed=params.seed, batch_size=params.batch_size, replica=replica)
    if resident:
        square = partial(decode_square, side=params.images.read_side, channels=params.images.channels)
        return ResidentFeed(torch.from_numpy(store.images(square, splits)), maker, device)
    return open_stream(store, splits, params, maker, device, replica)


def open_stream(
    store: Store, splits: tuple[str, ...], params: Pretrain, maker: PairMaker, device: torch.device, replica: Replica
) -> StreamingFeed:
    """A stream whose workers decode, or decode and make the views."""
    plan = make_plan(
        store.groups(splits),
        batch_size=params.batch_size,
        workers=params.feed.workers,
        window=params.feed.shuffle_images,
        seed=params.seed,
        replica=replica,
    )
    in_workers = params.feed.executor == "albumentations"
    make_batch: MakeBatch = Albumentations(params, replica.rank) if in_workers else Squares(params)

    def finish(batch: Batch, step: int) -> Pair:
        if isinstance(batch, Tensor):
            return maker.make(batch, step)
        return normalise(batch[0], params.images), normalise(batch[1], params.images)

    return StreamingFeed(store, plan, workers=params.feed.workers, make_batch=make_batch, finish=finish, device=device)


class Squares:
    """A worker's batch for the batched executor: decoded squares."""

    def __init__(self, params: Pretrain) -> None:
        self.shape = {"side": params.images.read_side, "channels": params.images.channels}

    def __call__(self, encoded: list[bytes], step: int) -> Tensor:
        """(b, C, R, R) uint8."""
        return torch.from_numpy(np.stack([decode_square(one, **self.shape) for one in encoded]))


class Albumentations:
    """A worker's batch with both views made, each from the whole image at its own size."""

    def __init__(self, params: Pretrain, rank: int) -> None:
        from components.data import albumentation

        self.channels, self.seed, self.rank = params.images.channels, params.seed, rank
        views = (params.views.first, params.views.second)
        self.composed = [
            albumentation.build(view, side=params.images.side, channels=params.images.channels) for view in views
        ]

    def __call__(self, encoded: list[bytes], step: int) -> tuple[Tensor, Tensor]:
        """Two (b, C, S, S) uint8."""
        for number, compose in enumerate(self.composed):
            compose.set_random_seed(derive(self.seed, VIEWS, step, self.rank, number) % 2**32)
        images = [decode_whole(one, channels=self.channels) for one in encoded]
        first, second = (
            torch.from_numpy(np.stack([compose(image=image)["image"] for image in images])).permute(0, 3, 1, 2)
            for compose in self.composed
        )
        return first.contiguous(), second.contiguous()


def free_memory(device: torch.device) -> int:
    """In bytes, of the device that the images would lie on."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)
