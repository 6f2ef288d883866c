"""The choice of a run's feed: decoded images in the device's memory if they fit a stated share of it, else a stream.

The two kinds show different images at the same step, so all processes of a run use the same kind, and a run that goes
on after an interruption keeps the kind that it began with.

N images, b a process's part of a batch, C channels, R and S pixels per side, read and seen.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from components.learning import replicas
from components.learning.objective import Batch, Feed
from components.learning.randomness import VIEWS, derive_seed
from components.learning.replicas import Replica
from components.pretrain.feeds import albumentation
from components.pretrain.feeds.maker import BatchedMaker, ReadyMaker, build_batched_maker
from components.pretrain.feeds.resident import ResidentFeed
from components.pretrain.feeds.streaming import MakeBatch, StreamingFeed, make_plan
from components.pretrain.params import FeedParams, Pretrain
from components.show.progress import Progress
from components.stage.errors import InputError
from components.store.decode import decode_square, decode_whole
from components.store.store import Store

Kind = Literal["resident", "streaming"]
format_bytes = partial(tqdm.format_sizeof, suffix="B", divisor=1000)


def count_images(store: Store, splits: tuple[str, ...], params: Pretrain) -> int:
    """Count the images to train on. Raises InputError if they are fewer than a batch."""
    count = sum(group.count for group in store.find_groups(splits))
    if count < params.batch_size:
        raise InputError(
            f"params.yaml: pretrain.batch_size: {params.batch_size} is more than the {count} images to train on"
        )
    return count


def choose_feed(images: int, params: Pretrain, device: torch.device, replica: Replica, *, before: Kind | None) -> Kind:
    """Choose one kind of feed for all processes, and print it with the reason.

    `before` is the kind that the run had before it was interrupted.
    """
    needed = images * params.images.channels * params.images.read_side**2 * (2 if params.images.deep else 1)
    copies, free = count_copies(device, replica), measure_free_memory(device)
    fits = needed * copies <= params.feed.resident_share * free
    kind, reason = decide_kind(params.feed, before=before, fits=fits)
    kind = replicas.broadcast_value(kind)  # the processes may have measured different memory
    if replica.writes:
        decoded = f"{format_bytes(needed)} decoded" + (f" in each of {copies} processes" if copies > 1 else "")
        print(
            f"feed: {kind} ({images:,} images, {decoded}, {format_bytes(free)} free on {device}; {reason})", flush=True
        )
    return kind


def decide_kind(params: FeedParams, *, before: Kind | None, fits: bool) -> tuple[Kind, str]:
    """Return the kind that this process would choose, and the reason."""
    stated = f"pretrain.feed.kind: {params.kind}"
    if params.kind != "auto":
        return params.kind, stated
    if params.executor == "albumentations":
        return "streaming", f"{stated}, and pretrain.feed.executor: albumentations makes views in a stream's workers"
    if before is not None:
        return before, f"{stated}, as when the run began"
    return ("resident" if fits else "streaming"), stated


def open_feed(
    kind: Kind, store: Store, splits: tuple[str, ...], params: Pretrain, device: torch.device, replica: Replica
) -> Feed:
    """Open the feed of this kind."""
    maker = build_batched_maker(params, device, replica)
    if kind == "resident":
        return ResidentFeed(decode_all(store, splits, params, device, replica), maker)
    return open_stream(store, splits, params, maker, device, replica)


def decode_all(
    store: Store, splits: tuple[str, ...], params: Pretrain, device: torch.device, replica: Replica
) -> Tensor:
    """Decode all images onto the device, with at most a row group of them on the host: (N, C, R, R) uint8 or uint16."""
    side, channels, deep = params.images.read_side, params.images.channels, params.images.deep
    square = partial(decode_square, side=side, channels=channels, deep=deep)
    groups = store.find_groups(splits)
    shape = (sum(group.count for group in groups), channels, side, side)
    images = torch.empty(shape, dtype=torch.uint16 if deep else torch.uint8, device=device)
    progress = Progress("decode", len(images), "images") if replica.writes else None
    first = 0
    with ThreadPoolExecutor(max(1, params.feed.workers)) as threads:
        for encoded in store.read_groups(groups):
            squares = torch.from_numpy(np.stack(list(threads.map(square, encoded))))  # (n, C, R, R)
            images[first : first + len(squares)] = squares
            first += len(squares)
            if progress:
                progress.advance(len(squares))
    return images


def open_stream(
    store: Store, splits: tuple[str, ...], params: Pretrain, maker: BatchedMaker, device: torch.device, replica: Replica
) -> StreamingFeed:
    """Open a stream whose workers decode the images, or decode them and make the views."""
    plan = make_plan(
        store.find_groups(splits),
        batch_size=params.batch_size,
        workers=params.feed.workers,
        window=params.feed.shuffle_images,
        seed=params.seed,
        replica=replica,
    )
    in_workers = params.feed.executor == "albumentations"
    make_batch: MakeBatch = Albumentations(params, replica.rank) if in_workers else Squares(params)
    return StreamingFeed(
        store,
        plan,
        workers=params.feed.workers,
        make_batch=make_batch,
        maker=ReadyMaker(params.views, params.images) if in_workers else maker,
        device=device,
    )


class Squares:
    """Makes a worker's batch for the batched executor: decoded squares."""

    def __init__(self, params: Pretrain) -> None:
        shape = params.images
        self.decode = partial(decode_square, side=shape.read_side, channels=shape.channels, deep=shape.deep)

    def __call__(self, encoded: list[bytes], step: int) -> Batch:
        """Decode the images of a batch: (b, C, R, R) uint8 or uint16."""
        return (torch.from_numpy(np.stack([self.decode(image) for image in encoded])),)


class Albumentations:
    """Makes a worker's batch of views, each from the whole image at its stored size."""

    def __init__(self, params: Pretrain, rank: int) -> None:
        self.channels, self.seed, self.rank = params.images.channels, params.seed, rank
        views = params.views.list_online() + params.views.list_target()
        self.composed = [
            albumentation.build_chain(view, side=params.images.side, channels=params.images.channels) for view in views
        ]

    def __call__(self, encoded: list[bytes], step: int) -> Batch:
        """Make the views of the images of a batch: (b, C, S, S) uint8 each."""
        for number, compose in enumerate(self.composed):
            compose.set_random_seed(derive_seed(self.seed, VIEWS, step, self.rank, number) % 2**32)
        images = [decode_whole(image, channels=self.channels, deep=False) for image in encoded]
        return tuple(
            torch.from_numpy(np.stack([compose(image=image)["image"] for image in images]))
            .permute(0, 3, 1, 2)
            .contiguous()
            for compose in self.composed
        )


def count_copies(device: torch.device, replica: Replica) -> int:
    """Count the processes that would hold the images in the same memory: all of a machine's, or the one of a GPU."""
    return 1 if device.type == "cuda" else min(replica.world, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def measure_free_memory(device: torch.device) -> int:
    """Return the free bytes of the device that the images would lie on."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)
