"""Candidates are looked into by processes, which may die: in order, a few at a time."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.fetch.checks import inspection
from components.fetch.checks.inspect import Fault, Seen
from components.fetch.checks.inspection import inspect_all, look_at_all, portions
from components.fetch.sources.candidate import Candidate
from tests.fetch.fetched import section
from tests.small import png

SEEN = Seen(b"", b"", b"", 0, 1, 1, "PNG", False, False, False, (), ())


def candidates(count: int, size: int = 10) -> Iterator[Candidate]:
    for number in range(count):
        yield Candidate("s", f"{number}", bytes(size), "cat", "train")


def slow_first(candidate: Candidate) -> Seen | Fault:
    time.sleep(0.05 if int(candidate.path) < 64 and int(candidate.path) % 16 == 0 else 0)
    return SEEN._replace(width=int(candidate.path))


def dies_of_some(candidate: Candidate) -> Seen | Fault:
    """A crash, the memory's end, and a program that simply exits; also the very last one."""
    if candidate.path in ("7", "8"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if candidate.path == "130":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    if candidate.path == "299":
        os._exit(0)
    return SEEN._replace(width=int(candidate.path))


def dies_always(candidate: Candidate) -> Seen | Fault:
    os._exit(1)


def tells_its_process(candidate: Candidate) -> Seen | Fault:
    time.sleep(0.002)
    return SEEN._replace(width=os.getpid())


def test_what_was_found_comes_in_the_order_of_the_candidates() -> None:
    found = list(look_at_all(candidates(300), slow_first, workers=2))
    assert [(candidate.path, seen.width) for candidate, seen in found if isinstance(seen, Seen)] == [
        (f"{number}", number) for number in range(300)
    ]
    assert {(one.id[:2], one.content, one.label, one.split) for one, _ in found} == {("s/", b"", "cat", "train")}


def test_every_worker_has_its_share() -> None:
    found = look_at_all(candidates(640), tells_its_process, workers=2)
    assert len({seen.width for _, seen in found if isinstance(seen, Seen)}) == 2


def test_pixels_bytes_and_files_are_all_looked_into(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    (tmp_path / "a.png").write_bytes(png(pixels))
    contents = [pixels, png(pixels), tmp_path / "a.png", b"nothing", tmp_path / "none.png"]
    made = [Candidate("s", f"{number}.png", content, None, None) for number, content in enumerate(contents)]
    found = [seen for _, seen in inspect_all(made, section([{"kind": "digits"}]))]
    assert len({seen.pixels for seen in found if isinstance(seen, Seen)}) == 1
    assert [isinstance(seen, Seen) for seen in found] == [True, True, True, False, False]


def test_nothing_to_look_into_is_no_error() -> None:
    assert list(look_at_all([], slow_first, workers=2)) == []


def test_an_image_that_crashes_its_decoder_is_rejected_and_takes_no_other_with_it() -> None:
    found = list(look_at_all(candidates(300), dies_of_some, workers=2))
    assert [candidate.path for candidate, _ in found] == [f"{number}" for number in range(300)]
    faults = {candidate.path: seen for candidate, seen in found if isinstance(seen, Fault)}
    assert set(faults) == {"7", "8", "130", "299"}
    assert set(faults.values()) == {
        Fault("broken: the decoder crashed, or was killed for the memory that it took", image=True)
    }
    assert all(seen.width == int(candidate.path) for candidate, seen in found if isinstance(seen, Seen))


def test_only_crashes_at_all_end_too() -> None:
    found = [seen for _, seen in look_at_all(candidates(5), dies_always, workers=2)]
    assert [isinstance(seen, Fault) for seen in found] == [True] * 5


def test_a_portion_that_can_not_be_given_to_a_broken_pool_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a process that dies before the next portion is there; otherwise a matter of luck."""
    given = inspection.submit

    def submit(*arguments: object) -> object:
        future = given(*arguments)  # type: ignore[arg-type]
        future.exception()  # waits
        return future

    monkeypatch.setattr(inspection, "submit", submit)
    found = list(look_at_all(candidates(300), dies_of_some, workers=2))
    assert [candidate.path for candidate, _ in found] == [f"{number}" for number in range(300)]
    assert sum(isinstance(seen, Fault) for _, seen in found) == 4


def test_only_a_few_candidates_are_held_at_a_time() -> None:
    """However many there are: memory stays flat."""
    made = 0

    def counted() -> Iterator[Candidate]:
        nonlocal made
        for candidate in candidates(3000):
            made += 1
            yield candidate

    ahead = [made - number for number, _ in enumerate(look_at_all(counted(), slow_first, workers=2), start=1)]
    assert len(ahead) == 3000
    assert max(ahead) <= (inspection.AHEAD * 2 + 2) * inspection.PORTION


def test_large_images_go_in_smaller_portions(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(bytes(inspection.PORTION_BYTES // 2))
    large = [Candidate("s", "large", file, None, None)] * 5
    assert [len(portion) for portion in portions([*large, *candidates(1)])] == [2, 2, 2]
    assert [len(portion) for portion in portions(candidates(3, inspection.PORTION_BYTES + 1))] == [1, 1, 1]
    assert [len(portion) for portion in portions(candidates(130))] == [64, 64, 2]
    gone = [Candidate("s", "gone", tmp_path / "gone.png", None, None)] * 2
    assert [len(portion) for portion in portions(gone)] == [2], (
        "a file that went away is for whoever opens it to report"
    )
