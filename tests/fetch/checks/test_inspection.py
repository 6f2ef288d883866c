"""Candidates are inspected by processes, which may die: in order, a few at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.fetch.checks import inspection
from components.fetch.checks.inspect import Fault, ImageFacts
from components.fetch.checks.inspection import group_candidates, inspect_all, inspect_in_processes
from components.fetch.sources.candidate import Candidate
from tests.fetch.checks.inspectors import delay_some, die_always, die_on_some, make_candidates, report_process
from tests.fetch.fetched import section
from tests.small import encode_png


def test_what_was_found_comes_in_the_order_of_the_candidates() -> None:
    results = list(inspect_in_processes(make_candidates(300), delay_some, workers=2))
    assert [(candidate.path, outcome.width) for candidate, outcome in results if isinstance(outcome, ImageFacts)] == [
        (f"{number}", number) for number in range(300)
    ]
    assert {(candidate.id[:2], candidate.content, candidate.label, candidate.split) for candidate, _ in results} == {
        ("s/", b"", "cat", "train")
    }


def test_every_worker_has_its_share() -> None:
    results = inspect_in_processes(make_candidates(640), report_process, workers=2)
    assert len({outcome.width for _, outcome in results if isinstance(outcome, ImageFacts)}) == 2


def test_pixels_bytes_and_files_are_all_looked_into(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    (tmp_path / "a.png").write_bytes(encode_png(pixels))
    contents = [pixels, encode_png(pixels), tmp_path / "a.png", b"nothing", tmp_path / "none.png"]
    candidates = [Candidate("s", f"{number}.png", content, None, None) for number, content in enumerate(contents)]
    outcomes = [outcome for _, outcome in inspect_all(candidates, section([{"kind": "digits"}]))]
    assert len({outcome.pixels for outcome in outcomes if isinstance(outcome, ImageFacts)}) == 1
    assert [isinstance(outcome, ImageFacts) for outcome in outcomes] == [True, True, True, False, False]


def test_nothing_to_look_into_is_no_error() -> None:
    assert list(inspect_in_processes([], delay_some, workers=2)) == []


def test_an_image_that_crashes_its_decoder_is_rejected_and_takes_no_other_with_it() -> None:
    results = list(inspect_in_processes(make_candidates(300), die_on_some, workers=2))
    assert [candidate.path for candidate, _ in results] == [f"{number}" for number in range(300)]
    faults = {candidate.path: outcome for candidate, outcome in results if isinstance(outcome, Fault)}
    assert set(faults) == {"7", "8", "130", "299"}
    assert set(faults.values()) == {
        Fault("broken: the decoder crashed, or was killed for the memory that it took", image=True)
    }
    assert all(
        outcome.width == int(candidate.path) for candidate, outcome in results if isinstance(outcome, ImageFacts)
    )


def test_only_crashes_at_all_end_too() -> None:
    outcomes = [outcome for _, outcome in inspect_in_processes(make_candidates(5), die_always, workers=2)]
    assert [isinstance(outcome, Fault) for outcome in outcomes] == [True] * 5


def test_a_portion_that_can_not_be_given_to_a_broken_pool_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the process dies before the next portion is submitted, which otherwise is a matter of luck."""
    really_submit = inspection.submit_portion

    def submit_portion(*arguments: object) -> object:
        future = really_submit(*arguments)  # type: ignore[arg-type]
        future.exception()  # waits for the process to die
        return future

    monkeypatch.setattr(inspection, "submit_portion", submit_portion)
    results = list(inspect_in_processes(make_candidates(300), die_on_some, workers=2))
    assert [candidate.path for candidate, _ in results] == [f"{number}" for number in range(300)]
    assert sum(isinstance(outcome, Fault) for _, outcome in results) == 4


def test_only_a_few_candidates_are_held_at_a_time() -> None:
    """Memory stays flat, however many candidates there are."""
    made = 0

    def count_candidates() -> Iterator[Candidate]:
        nonlocal made
        for candidate in make_candidates(3000):
            made += 1
            yield candidate

    ahead = [
        made - number
        for number, _ in enumerate(inspect_in_processes(count_candidates(), delay_some, workers=2), start=1)
    ]
    assert len(ahead) == 3000
    assert max(ahead) <= (inspection.AHEAD * 2 + 2) * inspection.PORTION


def test_large_images_go_in_smaller_portions(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(bytes(inspection.PORTION_BYTES // 2))
    large = [Candidate("s", "large", file, None, None)] * 5
    assert [len(portion) for portion in group_candidates([*large, *make_candidates(1)])] == [2, 2, 2]
    assert [len(portion) for portion in group_candidates(make_candidates(3, inspection.PORTION_BYTES + 1))] == [1, 1, 1]
    assert [len(portion) for portion in group_candidates(make_candidates(130))] == [64, 64, 2]
    gone = [Candidate("s", "gone", tmp_path / "gone.png", None, None)] * 2
    assert [len(portion) for portion in group_candidates(gone)] == [2], (
        "a file that went away is for whoever opens it to report"
    )
