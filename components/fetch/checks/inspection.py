"""Look into all candidates, in processes of their own, and give what was found in the order in which they came.

Processes, since decoding takes nearly all the time, and since a decoder that a broken file makes crash must not take
the run with it: what a process died of is looked into once more, one by one, and the culprit is rejected. Only so many
candidates are held at a time, so that memory stays flat.
"""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

from components.fetch.checks.inspect import Fault, Seen, inspect
from components.fetch.params import Data
from components.fetch.sources.candidate import Candidate
from components.stage.errors import RunError

PORTION, PORTION_BYTES = 64, 8_000_000  # candidates that go to a process at once, and what they take at most
AHEAD = 2  # portions a process that wait for it, or for their turn
Found = tuple[Candidate, Seen | Fault]
Look = Callable[[Candidate], Seen | Fault]


def inspect_all(candidates: Iterable[Candidate], params: Data) -> Iterator[Found]:
    """Each candidate, without its content, and what is in it."""
    look = partial(inspect, limits=params.limits, reencode=params.reencode)
    yield from look_at_all(candidates, look, params.workers)


def look_at_all(candidates: Iterable[Candidate], look: Look, workers: int) -> Iterator[Found]:
    """As above, by any function that a process can be given."""
    pool = start(workers)
    waiting: deque[tuple[list[Candidate], Future[list[Seen | Fault]]]] = deque()

    def finish() -> Iterator[Found]:
        nonlocal pool
        portion, future = waiting.popleft()
        try:
            found = future.result()
        except BrokenProcessPool:
            found = one_by_one(portion, look)
            pool = start(workers)
            for number, (other, broken) in enumerate(waiting):
                if broken.exception():  # some were done before
                    waiting[number] = (other, submit(pool, other, look))
        yield from zip(map(without_content, portion), found, strict=True)

    try:
        for portion in portions(candidates):
            waiting.append((portion, submit(pool, portion, look)))
            if len(waiting) > AHEAD * workers:
                yield from finish()
        while waiting:
            yield from finish()
    finally:
        pool.shutdown(cancel_futures=True)


def start(workers: int) -> ProcessPoolExecutor:
    """Processes that share nothing with this one, which has threads."""
    method = "forkserver" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([inspect.__module__])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=settle)
    try:
        pool.submit(int).result()
    except BrokenProcessPool:  # else every image would be taken for one that crashes its decoder
        raise RunError("the processes that decode images cannot be started; what they said stands above") from None
    return pool


def settle() -> None:
    """What a process does first: see to it that it ends with the one that started it, and be silent on stderr.

    Else it would wait for work for ever when that one is killed; and libtiff says there what is wrong with a file, but
    not with which.
    """
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def submit(pool: ProcessPoolExecutor, portion: list[Candidate], look: Look) -> Future[list[Seen | Fault]]:
    """To a pool that an earlier portion may have broken; then this one has to wait for another pool."""
    try:
        return pool.submit(look_at, portion, look)
    except BrokenProcessPool as error:
        future: Future[list[Seen | Fault]] = Future()
        future.set_exception(error)
        return future


def look_at(portion: list[Candidate], look: Look) -> list[Seen | Fault]:
    """In a process of the pool."""
    return [look(candidate) for candidate in portion]


def one_by_one(portion: list[Candidate], look: Look) -> list[Seen | Fault]:
    """Of a portion that a process may have died of."""
    found: list[Seen | Fault] = []
    while len(found) < len(portion):
        with start(1) as pool:
            try:
                while len(found) < len(portion):
                    found += pool.submit(look_at, [portion[len(found)]], look).result()
            except BrokenProcessPool:
                found.append(Fault("broken: the decoder crashed, or was killed for the memory that it took", True))
    return found


def portions(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """A few at a time, fewer where they are large."""
    portion: list[Candidate] = []
    size = 0
    for candidate in candidates:
        bytes_ = size_of(candidate)
        if portion and (len(portion) == PORTION or size + bytes_ > PORTION_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(candidate)
        size += bytes_
    if portion:
        yield portion


def size_of(candidate: Candidate) -> int:
    """What its image takes, encoded."""
    content = candidate.content
    if isinstance(content, Path):
        try:
            return content.stat().st_size
        except OSError:  # which whoever opens it will say
            return 0
    return len(content) if isinstance(content, bytes) else content.nbytes


def without_content(candidate: Candidate) -> Candidate:
    """What is still needed of it."""
    return replace(candidate, content=b"")
