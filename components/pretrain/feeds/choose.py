"""Which feed a run gets: decoded images in the device's memory where they fit a stated share of it, else a stream.

Each kind shows other images at a step, so all processes of a run have the same, and a run that goes on keeps its own.
N images, b a process's part of a batch, C channels, H, W, R, S pixels a side: stored, read and seen.
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

from components.encoder.normalise import normalise
from components.learning import replicas
from components.learning.objective import Feed, Pair
from components.learning.randomness import VIEWS, derive
from components.learning.replicas import Replica
from components.pretrain.feeds import albumentation
from components.pretrain.feeds.resident import PairMaker, ResidentFeed, start_maker
from components.pretrain.feeds.streaming import Batch, MakeBatch, StreamingFeed, make_plan
from components.pretrain.params import Feed as FeedParams
from components.pretrain.params import Pretrain
from components.show.progress import Progress
from components.stage.errors import InputError
from components.store.decode import decode_square, decode_whole
from components.store.store import Store

Kind = Literal["resident", "streaming"]
bytes_as_text = partial(tqdm.format_sizeof, suffix="B", divisor=1000)


def count_images(store: Store, splits: tuple[str, ...], params: Pretrain) -> int:
    """Images to train on. Raises InputError where they are fewer than a batch."""
    count = sum(group.count for group in store.groups(splits))
    if count < params.batch_size:
        raise InputError(
            f"params.yaml: pretrain.batch_size: {params.batch_size} is more than the {count} images to train on"
        )
    return count


def choose_feed(images: int, params: Pretrain, device: torch.device, replica: Replica, *, before: Kind | None) -> Kind:
    """One kind for all processes, and why it is that one. `before`: the kind that a run had which goes on."""
    needed = images * params.images.channels * params.images.read_side**2
    copies, free = copies_here(device, replica), free_memory(device)
    fits = needed * copies <= params.feed.resident_share * free
    kind, why = decide(params.feed, before=before, fits=fits)
    kind = replicas.agree(kind)  # each may have measured something else
    if replica.writes:
        decoded = f"{bytes_as_text(needed)} decoded" + (f" in each of {copies} processes" if copies > 1 else "")
        print(f"feed: {kind} ({images:,} images, {decoded}, {bytes_as_text(free)} free on {device}; {why})", flush=True)
    return kind


def decide(params: FeedParams, *, before: Kind | None, fits: bool) -> tuple[Kind, str]:
    """What this process would take, and the reason."""
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
    """The feed of this kind."""
    maker = start_maker(params, device, replica)
    if kind == "resident":
        return ResidentFeed(decode_all(store, splits, params, device, replica), maker, device)
    return open_stream(store, splits, params, maker, device, replica)


def decode_all(
    store: Store, splits: tuple[str, ...], params: Pretrain, device: torch.device, replica: Replica
) -> Tensor:
    """All images on the device, (N, C, R, R) uint8, with no more than a row group of them on the host at a time."""
    side, channels = params.images.read_side, params.images.channels
    square = partial(decode_square, side=side, channels=channels)
    groups = store.groups(splits)
    images = torch.empty((sum(group.count for group in groups), channels, side, side), dtype=torch.uint8, device=device)
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


def copies_here(device: torch.device, replica: Replica) -> int:
    """How many processes would hold the images in the same memory: on a machine all of them, on a GPU one."""
    return 1 if device.type == "cuda" else min(replica.world, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def free_memory(device: torch.device) -> int:
    """In bytes, of the device that the images would lie on."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)
