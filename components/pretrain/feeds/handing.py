"""How a worker of a stream hands its batches over: in shared memory, or through a pipe where that has no room.

torch moves a batch into shared memory in a thread of the worker's queue. If /dev/shm is full, as soon happens with the
64 MB that Docker gives a container, the thread prints a trace, the batch is lost, and the training waits for it for
ever. So a worker moves its batches itself, and what finds no room is pickled as arrays, which takes a copy more.

C channels, S pixels per side, b a process's part of a batch.
"""

import multiprocessing
import os
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from components.learning.objective import Batch
from components.stage.disk import find_code

FOLDER = "/dev/shm"  # where Linux keeps shared memory
LOCKS, LOCKS_PER_WORKER = 16, 4  # a few more than torch's loader takes
Parcel = tuple[torch.Tensor | np.ndarray, ...]  # a batch on its way
format_bytes = partial(tqdm.format_sizeof, suffix="B", divisor=1000)


def has_room_for_locks(workers: int) -> bool:
    """Whether the locks of so many workers fit into shared memory, where each takes a page."""
    try:
        return bool([multiprocessing.Lock() for _ in range(LOCKS + LOCKS_PER_WORKER * workers)])
    except OSError:  # it is full, read-only, forbidden or not there at all
        return False


def pack(batch: Batch) -> Parcel:
    """Move a batch into shared memory, or return it as arrays if there is no room."""
    try:
        return tuple(part.share_memory_() for part in batch)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if find_code(error) is None:
            raise
        return tuple(part.numpy() for part in batch)


def keep(parcel: Any) -> Any:
    """Return what a worker hands over as it is; a loader's own conversion would move arrays into shared memory."""
    return parcel


def unpack(parcel: Parcel) -> Batch:
    """Return the batch of a parcel."""
    return tuple(torch.as_tensor(part) for part in parcel)


def is_piped(parcel: Parcel) -> bool:
    """Whether a parcel has found no room in shared memory."""
    return any(isinstance(part, np.ndarray) for part in parcel)


def describe_shortage(consequence: str) -> str:
    """Describe in a line that shared memory is full, what is done instead, and what would help."""
    try:
        room = os.statvfs(FOLDER)
        size = f"{FOLDER} ({format_bytes(room.f_blocks * room.f_frsize)})"
    except OSError:
        size = "shared memory"
    help_text = "`docker run --shm-size 2g`, or more, helps in a container"
    return f"feed: {size} has no room for the workers' batches: {consequence}, which is slower; {help_text}"
