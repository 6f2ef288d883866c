"""The stage embed: models/encoder and data/store -> embeddings, by the encoder and by two baselines.

One pass over the store decodes each image once for all three; memory does not grow with the number of images. If
torchrun starts several processes, each embeds a stretch of the store that is cut between batches, and the files are the
same as those of one process.

N images, B of them in a batch, C channels, S pixels per side, D features.
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
import torch
import torch.distributed as dist

from components.embed.params import Embed
from components.encoder.params import Images
from components.features.embedders import Embedder, make_embedders
from components.features.embeddings import ABOUT, EmbeddingsWriter, read_tables
from components.features.encoders import ORDER
from components.features.load import load_encoder, load_start
from components.learning import replicas
from components.learning.device import choose_device, choose_precision, prepare_device
from components.learning.replicas import Replica
from components.show.progress import Progress
from components.stage.command import main
from components.stage.disk import check_folder, check_room, name_faults
from components.stage.errors import InputError
from components.store.decode import decode_square
from components.store.store import SPLITS, Store


def run(params: Embed, *, store: Path, encoder: Path, embeddings: Path) -> None:
    """Embed every image of the store by the encoder, by two baselines and, unless its training began at random, by what
    it began with, and write one Parquet file for each."""
    check_folder(embeddings)
    device = choose_device(params.device, "embed.device")
    prepare_device(device, params.threads)
    loaded, opened = load_encoder(encoder), Store(store)
    start, precision = load_start(encoder, loaded.config), choose_precision(params.precision, device)
    embedders = make_embedders(loaded, start, device, precision, pixels_side=params.pixels_side)
    replica = join_processes(device)
    shares = share_out(count_images(opened), params.batch_size, replica.world)
    if replica.writes:
        clear_leftovers(embeddings)
        shape = loaded.config.images
        width = (len(embedders) - 1) * loaded.config.features + shape.channels * min(
            shape.side, params.pixels_side
        ) ** 2
        check_room({embeddings: 4 * width * count_images(opened)}, "the embeddings")  # float32
    replicas.wait_for_processes()
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(EmbeddingsWriter(locate_file(embeddings, name, replica.rank), embedder.precision))
            for name, embedder in embedders.items()
        }
        embed_share(opened, shares[replica.rank], loaded.config.images, embedders, writers, params, replica)
        if replica.writes:
            replicas.wait_for_processes()
            join_parts(embeddings, writers, shares)
    if replica.writes:
        remove_others(embeddings, embedders)
    else:
        replicas.wait_for_processes()
    replicas.leave_processes()


def join_processes(device: torch.device) -> Replica:
    """Join the other processes that torchrun started, if any; they only wait for each other, over gloo."""
    return (
        replicas.enter_process_group(device, "embed.device", "gloo")
        if dist.is_torchelastic_launched()
        else Replica(0, 1)
    )


def count_images(store: Store) -> int:
    """Count the store's images. Raises InputError if there is none."""
    count = sum(group.count for group in store.find_groups(SPLITS))
    if count == 0:
        raise InputError(f"{store.folder}: no image; `dvc repro fetch` fills the store")
    return count


def share_out(count: int, batch_size: int, world: int) -> list[range]:
    """Share the images out to `world` processes in whole batches, so that batches do not depend on the processes."""
    total = -(-count // batch_size)
    cuts = [min(count, batch_size * -(-total * rank // world)) for rank in range(world + 1)]
    return [range(first, last) for first, last in pairwise(cuts)]


def locate_file(folder: Path, name: str, rank: int) -> Path:
    """Return where a process writes: the first writes the file itself, to which it adds the others' parts."""
    return folder / (f"{name}.parquet.part-{rank}" if rank else f"{name}.parquet")


def clear_leftovers(folder: Path) -> None:
    """Make the folder, and remove the unfinished files of a run that was killed."""
    with name_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in [*folder.glob("*.parquet.new"), *folder.glob("*.parquet.part-*")]:
            path.unlink()


def remove_others(folder: Path, embedders: dict[str, Embedder]) -> None:
    """Remove what an earlier run wrote of an encoder that this one has not: it is of other weights."""
    for path in [folder / f"{name}.parquet" for name in ORDER if name not in embedders]:
        with name_faults(path):
            path.unlink(missing_ok=True)


def embed_share(
    store: Store,
    share: range,
    shape: Images,
    embedders: dict[str, Embedder],
    writers: dict[str, EmbeddingsWriter],
    params: Embed,
    replica: Replica,
) -> None:
    """Embed a process's share of the store, in the store's order, a batch at a time."""
    label = "embed" if replica.world == 1 else f"embed, process 1 of {replica.world}"
    progress = Progress(label, len(share), "images") if replica.writes else None
    for rows, images in form_batches(
        decode_groups(store, read_share(store, share), shape, params.workers), params.batch_size
    ):
        for name, embedder in embedders.items():
            writers[name].add_rows(rows, embedder(torch.from_numpy(images)).cpu().numpy())
        if progress:
            progress.advance(len(rows))


def read_share(store: Store, share: range) -> Iterator[pa.Table]:
    """Yield the rows of the share with their encoded images, a row group at a time."""
    first, wanted = 0, []
    for group in store.find_groups(SPLITS):
        start, stop = max(share.start - first, 0), min(share.stop - first, group.count)
        if start < stop:
            wanted.append((group, start, stop))
        first += group.count
    for shard, parts in groupby(wanted, lambda part: part[0].shard):
        with store.open_shard(shard) as file:
            for group, start, stop in parts:
                table = file.read_row_group(group.group)
                rows = range(len(table)) if group.rows is None else group.rows
                yield table.take(pa.array(rows[start:stop]))


def decode_groups(
    store: Store, tables: Iterable[pa.Table], shape: Images, workers: int
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Yield each row group's ids, splits and labels, and its images, (n, C, S, S) pixels; decode the next one ahead."""
    square = partial(decode_square, side=shape.side, channels=shape.channels, deep=shape.deep)
    ahead: deque[tuple[pa.Table, Iterator[np.ndarray]]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        for table in tables:
            ahead.append((table.select(ABOUT), threads.map(square, store.list_images(table["image"]))))
            if len(ahead) > 1:
                rows, squares = ahead.popleft()
                yield rows, np.stack(list(squares))
        for rows, squares in ahead:
            yield rows, np.stack(list(squares))


def form_batches(groups: Iterable[tuple[pa.Table, np.ndarray]], size: int) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Yield the same rows and images `size` at a time; the last batch may be smaller."""
    waiting: list[tuple[pa.Table, np.ndarray]] = []
    for group in groups:
        waiting.append(group)
        while sum(len(rows) for rows, _ in waiting) >= size:
            rows, images = concatenate(waiting)
            yield rows.slice(0, size), images[:size]
            waiting = [(rows.slice(size), images[size:])]
    if sum(len(rows) for rows, _ in waiting):
        yield concatenate(waiting)


def concatenate(parts: list[tuple[pa.Table, np.ndarray]]) -> tuple[pa.Table, np.ndarray]:
    """Concatenate the rows, and the images."""
    return pa.concat_tables(rows for rows, _ in parts), np.concatenate([images for _, images in parts])


def join_parts(folder: Path, writers: dict[str, EmbeddingsWriter], shares: list[range]) -> None:
    """Add the parts of the other processes, in the store's order, and remove them.

    Raises InputError if a part is missing.
    """
    others = [rank for rank, share in enumerate(shares) if rank and share]
    progress = Progress("embed: join", sum(len(shares[rank]) for rank in others) * len(writers), "rows")
    for name, writer in writers.items():
        for rank in others:
            part = locate_file(folder, name, rank)
            if not part.is_file():
                raise InputError(f"{part}: not there: the machines of embed.launcher must share the folder")
            for table in read_tables(part):
                writer.add_table(table)
                progress.advance(len(table))
            with name_faults(part):
                part.unlink()


if __name__ == "__main__":
    main(run)
