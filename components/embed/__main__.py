"""Stage embed: models/encoder and data/store -> embeddings, of the encoder and of two baselines.

One pass over the store, whose images are decoded once for all three, with memory flat in their number. Several
processes (torchrun's) embed each a stretch of the store, cut between batches: the files are those of one process.

N images, B of them in a batch, C channels, S pixels a side, D features.
"""

import components.stage.openmp  # noqa: F401  (before torch)

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist

from components.embed.params import Embed
from components.encoder.params import Images
from components.features.embedders import Embedder, make_embedders
from components.features.embeddings import ABOUT, EmbeddingsWriter, read_tables
from components.features.load import load_encoder
from components.learning import replicas
from components.learning.device import choose_device, choose_precision, prepare
from components.learning.replicas import Replica
from components.show.progress import Progress
from components.stage import command as stage
from components.stage.errors import InputError
from components.store.decode import decode_square
from components.store.store import SPLITS, Store


def run(params: Embed, *, store: Path, encoder: Path, embeddings: Path) -> None:
    """Embed every image of the store three times; one Parquet file each."""
    device = choose_device(params.device, "embed.device")
    prepare(device, params.threads)
    loaded, opened = load_encoder(encoder), Store(store)
    embedders = make_embedders(
        loaded, device, choose_precision(params.precision, device), pixels_side=params.pixels_side
    )
    replica = join(device)
    shares = share_out(count_images(opened), params.batch_size, replica.world)
    if replica.writes:
        clear(embeddings)
    replicas.wait()
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(EmbeddingsWriter(place(embeddings, name, replica.rank))) for name in embedders
        }
        embed(opened, shares[replica.rank], loaded.config.images, embedders, writers, params, replica)
        if replica.writes:
            replicas.wait()
            join_parts(embeddings, writers, shares)
    if not replica.writes:
        replicas.wait()
    replicas.leave()


def join(device: torch.device) -> Replica:
    """Join the others that torchrun started, if it did; they only wait for each other, on whatever device."""
    return replicas.enlist(device, "embed.device", "gloo") if dist.is_torchelastic_launched() else Replica(0, 1)


def count_images(store: Store) -> int:
    """N. Raises InputError where there is none."""
    count = sum(group.count for group in store.groups(SPLITS))
    if count == 0:
        raise InputError(f"{store.folder}: no image; `dvc repro fetch` fills the store")
    return count


def share_out(count: int, batch_size: int, world: int) -> list[range]:
    """Each process's images: whole batches, so that a batch holds the same images however many processes there are."""
    total = -(-count // batch_size)
    cuts = [min(count, batch_size * -(-total * rank // world)) for rank in range(world + 1)]
    return [range(first, last) for first, last in pairwise(cuts)]


def place(folder: Path, name: str, rank: int) -> Path:
    """The file itself for the first process, which adds the others' parts to its own."""
    return folder / (f"{name}.parquet.part-{rank}" if rank else f"{name}.parquet")


def clear(folder: Path) -> None:
    """Make room, also of what a run left that was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in [*folder.glob("*.parquet.new"), *folder.glob("*.parquet.part-*")]:
        left.unlink()


def embed(
    store: Store,
    share: range,
    shape: Images,
    embedders: dict[str, Embedder],
    writers: dict[str, EmbeddingsWriter],
    params: Embed,
    replica: Replica,
) -> None:
    """Embed a stretch of the store, in its order, a batch at a time."""
    label = "embed" if replica.world == 1 else f"embed, process 1 of {replica.world}"
    progress = Progress(label, len(share), "images") if replica.writes else None
    for rows, images in batches(decoded(read(store, share), shape, params.workers), params.batch_size):
        for name, embedder in embedders.items():
            writers[name].add(rows, embedder(torch.from_numpy(images)).cpu().numpy())
        if progress:
            progress.advance(len(rows))


def read(store: Store, share: range) -> Iterator[pa.Table]:
    """The rows of that stretch with their encoded images, a row group at a time."""
    first, wanted = 0, []
    for group in store.groups(SPLITS):
        start, stop = max(share.start - first, 0), min(share.stop - first, group.count)
        if start < stop:
            wanted.append((group, start, stop))
        first += group.count
    for shard, of_shard in groupby(wanted, lambda one: one[0].shard):
        with pq.ParquetFile(store.shards[shard]) as file:
            for group, start, stop in of_shard:
                table = file.read_row_group(group.group)
                rows = range(len(table)) if group.rows is None else group.rows
                yield table.take(pa.array(rows[start:stop]))


def decoded(tables: Iterable[pa.Table], shape: Images, workers: int) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Each row group's id, split and label, and its images (n, C, S, S) uint8, while the next one is being decoded."""
    square = partial(decode_square, side=shape.side, channels=shape.channels)
    ahead: deque[tuple[pa.Table, Iterator[np.ndarray]]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        for table in tables:
            encoded = table["image"].combine_chunks().field("bytes").to_pylist()
            ahead.append((table.select(ABOUT), threads.map(square, encoded)))
            if len(ahead) > 1:
                rows, squares = ahead.popleft()
                yield rows, np.stack(list(squares))
        for rows, squares in ahead:
            yield rows, np.stack(list(squares))


def batches(groups: Iterable[tuple[pa.Table, np.ndarray]], size: int) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """The same rows and images, so many at a time; the last may be fewer."""
    waiting: list[tuple[pa.Table, np.ndarray]] = []
    for group in groups:
        waiting.append(group)
        while sum(len(rows) for rows, _ in waiting) >= size:
            rows, images = joined(waiting)
            yield rows.slice(0, size), images[:size]
            waiting = [(rows.slice(size), images[size:])]
    if sum(len(rows) for rows, _ in waiting):
        yield joined(waiting)


def joined(parts: list[tuple[pa.Table, np.ndarray]]) -> tuple[pa.Table, np.ndarray]:
    """One after the other."""
    return pa.concat_tables(rows for rows, _ in parts), np.concatenate([images for _, images in parts])


def join_parts(folder: Path, writers: dict[str, EmbeddingsWriter], shares: list[range]) -> None:
    """Add what the other processes wrote, in the store's order, and remove it."""
    others = [rank for rank, share in enumerate(shares) if rank and share]
    progress = Progress("embed: join", sum(len(shares[rank]) for rank in others) * len(writers), "rows")
    for name, writer in writers.items():
        for rank in others:
            part = place(folder, name, rank)
            if not part.is_file():
                raise InputError(f"{part}: not there: the machines of embed.launcher must share the folder")
            for table in read_tables(part):
                writer.add_table(table)
                progress.advance(len(table))
            part.unlink()


if __name__ == "__main__":
    stage.main(run)
