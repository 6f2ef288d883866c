"""Inspect all candidates in processes of their own, and give the results in the order of the candidates.

Processes, since decoding takes nearly all the time, and since a broken file that crashes its decoder must not end the
run: the candidates of a process that died are inspected once more, one by one, and the culprit is rejected. Only a few
candidates are held at a time, so that memory stays flat.
"""

import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path

from components.fetch.checks.inspect import Fault, ImageFacts, inspect
from components.fetch.params import Data
from components.fetch.sources.candidate import Candidate
from components.stage.disk import name_faults
from components.stage.errors import RunError
from components.stage.process import end_with_parent

PORTION, PORTION_BYTES = 64, 8_000_000  # candidates that go to a process at once, and their bytes at most
START_SECONDS = 0.05  # that each process is kept busy at first, so that no two tasks go to the same one
SHARED = Path("/dev/shm")  # where Linux keeps what processes share; `docker run --shm-size 2g` enlarges it
AHEAD = 2  # portions per process that are inspected ahead of their turn
InspectedCandidate = tuple[Candidate, ImageFacts | Fault]
Inspector = Callable[[Candidate], ImageFacts | Fault]


def inspect_all(candidates: Iterable[Candidate], params: Data) -> Iterator[InspectedCandidate]:
    """Yield each candidate, without its content, and its facts or fault."""
    inspector = partial(inspect, limits=params.limits, reencode=params.reencode)
    yield from inspect_in_processes(candidates, inspector, params.workers)


def inspect_in_processes(
    candidates: Iterable[Candidate], inspector: Inspector, workers: int
) -> Iterator[InspectedCandidate]:
    """Yield what `inspector` finds in each candidate; a process must be able to unpickle it."""
    pool = start_pool(workers)
    waiting: deque[tuple[list[Candidate], Future[list[ImageFacts | Fault]]]] = deque()

    def finish() -> Iterator[InspectedCandidate]:
        nonlocal pool
        portion, future = waiting.popleft()
        try:
            results = future.result()
        except BrokenProcessPool:
            results = inspect_one_by_one(portion, inspector)
            pool = start_pool(workers)
            for number, (later, later_future) in enumerate(waiting):
                if later_future.exception():  # portions that were done before stay
                    waiting[number] = (later, submit_portion(pool, later, inspector))
        yield from zip(map(drop_content, portion), results, strict=True)

    try:
        for portion in group_candidates(candidates):
            waiting.append((portion, submit_portion(pool, portion, inspector)))
            if len(waiting) > AHEAD * workers:
                yield from finish()
        while waiting:
            yield from finish()
    finally:
        pool.shutdown(cancel_futures=True)


def start_pool(workers: int) -> ProcessPoolExecutor:
    """Start processes that share nothing with this one, which has threads. Raises RunError if they cannot start."""
    method = "forkserver" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([inspect.__module__])
    try:
        with name_faults(SHARED, "no file of yours was written"):  # its locks lie there
            pool = ProcessPoolExecutor(workers, mp_context=context, initializer=prepare_process)
        # All start here: Python 3.11 waits for ever, at its end, for a process that was started while another died.
        wait([pool.submit(time.sleep, START_SECONDS) for _ in range(workers)])
        pool.submit(int).result()
    except BrokenProcessPool:  # otherwise every image would seem to crash its decoder
        raise RunError("the processes that decode images cannot be started; what they said stands above") from None
    return pool


def prepare_process() -> None:
    """Make a new process end with its parent, and silence its stderr.

    libtiff tells there what is wrong with a file, but not with which file.
    """
    end_with_parent()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def submit_portion(
    pool: ProcessPoolExecutor, portion: list[Candidate], inspector: Inspector
) -> Future[list[ImageFacts | Fault]]:
    """Submit a portion to the pool; if an earlier portion broke the pool, return a future that has failed."""
    try:
        return pool.submit(inspect_portion, portion, inspector)
    except BrokenProcessPool as error:
        future: Future[list[ImageFacts | Fault]] = Future()
        future.set_exception(error)
        return future


def inspect_portion(portion: list[Candidate], inspector: Inspector) -> list[ImageFacts | Fault]:
    """Inspect a portion in a process of the pool."""
    return [inspector(candidate) for candidate in portion]


def inspect_one_by_one(portion: list[Candidate], inspector: Inspector) -> list[ImageFacts | Fault]:
    """Inspect a portion that may have killed a process, and reject each candidate that kills one."""
    results: list[ImageFacts | Fault] = []
    while len(results) < len(portion):
        with start_pool(1) as pool:
            try:
                while len(results) < len(portion):
                    results += pool.submit(inspect_portion, [portion[len(results)]], inspector).result()
            except BrokenProcessPool:
                results.append(Fault("broken: the decoder crashed, or was killed for the memory that it took", True))
    return results


def group_candidates(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Yield portions of candidates, with fewer candidates if they are large."""
    portion: list[Candidate] = []
    size = 0
    for candidate in candidates:
        bytes_ = measure_size(candidate)
        if portion and (len(portion) == PORTION or size + bytes_ > PORTION_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(candidate)
        size += bytes_
    if portion:
        yield portion


def measure_size(candidate: Candidate) -> int:
    """Return the number of bytes of the candidate's content; 0 if the file cannot be read."""
    content = candidate.content
    if isinstance(content, Path):
        try:
            return content.stat().st_size
        except OSError:  # the process that opens it will report that
            return 0
    return len(content) if isinstance(content, bytes) else content.nbytes


def drop_content(candidate: Candidate) -> Candidate:
    """Return the candidate without its content, which is no longer needed."""
    return replace(candidate, content=b"")
